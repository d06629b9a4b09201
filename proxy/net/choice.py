"""Which pump an event loop waits at."""

import os
from functools import cache
from typing import Final

from proxy.net import ring_pump
from proxy.net.epoll_pump import EpollPump
from proxy.net.pump import Pump

_VARIABLE: Final = "KEYCLASH_POLLER"
EPOLL: Final = "epoll"
IO_URING: Final = "io_uring"
_AUTO: Final = "auto"


def make_pump() -> Pump:
    """Make the pump that the environment names, else the one that costs least, for the event loop of this thread.

    Raises ValueError if the environment names none that there is, or that this process cannot have.
    """
    wanted = os.environ.get(_VARIABLE, _AUTO)
    if wanted not in (EPOLL, IO_URING, _AUTO):
        raise ValueError(f"{_VARIABLE}={wanted}: expected {_AUTO}, {EPOLL} or {IO_URING}")
    # Interpreted, a ring costs more than the system calls that it saves.
    if wanted == IO_URING or (wanted == _AUTO and ring_pump.COMPILED):
        try:
            return ring_pump.RingPump()
        except OSError as error:  # containers and hardened machines often forbid it
            if wanted == IO_URING:
                raise ValueError(f"{_VARIABLE}={wanted}: this process cannot have one: {error}") from error
    return EpollPump()


@cache
def poller() -> str:
    """Return which poller `make_pump` has this process use. Raises ValueError as that does."""
    pump = make_pump()
    pump.close()
    return IO_URING if isinstance(pump, ring_pump.RingPump) else EPOLL
