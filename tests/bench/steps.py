"""Counts what a conversation costs the session: the same on every machine and in every run, unlike time.

Steps are bytecode instructions. Calls are those of Python functions and of functions written in C, whose own work no
instruction shows. Kept are the bytes that a session holds when nothing is under way.
"""

import gc
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final

from proxy.conflicts.counters import Counters
from proxy.rules.match import RuleSet
from proxy.session import Session, SessionSettings
from tests.clock import Clock
from tests.session.conversation import USUAL, KeepingRecorder, settings
from tests.session.packets import login, ok, packets
from tests.wire.captured import MYSQL_GREETING

_PROFILED: Final = frozenset({"call", "c_call"})


class SilentWires:
    """Wires to nowhere."""

    __slots__ = ()

    def to_client(self, data: bytes) -> None:
        """Throw away what goes to the client."""

    def to_backend(self, data: bytes) -> None:
        """Throw away what goes to the backend."""

    def start_client_tls(self) -> None:
        """Do nothing: there is no TLS."""

    def start_backend_tls(self) -> None:
        """Do nothing: there is no TLS."""

    def login_done(self) -> None:
        """Do nothing: bytes come in bulk anyway."""

    def hold_client(self) -> None:
        """Do nothing: the client says only what it is told to."""

    def release_client(self) -> None:
        """Do nothing: it was not held."""

    def soon(self, callback: Callable[[], object]) -> None:
        """Call at once."""
        callback()

    def close(self) -> None:
        """Do nothing: there are no connections."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one exchange costs."""

    steps: int
    calls: int


def shared(rules: RuleSet) -> SessionSettings:
    """Return what sessions share where these rules are in force; the clock is the real one, for what it costs."""
    counters = Counters()
    return settings(counters, KeepingRecorder(counters, Clock()), Clock(), rules)._replace(clock=time.monotonic)


def logged_in(by: SessionSettings) -> Session:
    """Return a session that is past its login, as root, with `bench` for its schema."""
    session = Session(SilentWires(), by)
    session.backend_data(packets(MYSQL_GREETING, sequence=0))
    session.client_data(packets(login("root", "bench", flags=USUAL)))
    session.backend_data(ok(sequence=2))
    return session


def cost(run: Callable[[], None]) -> Cost:
    """Count what a run costs, once all caches are filled by others before it."""
    for _ in range(3):  # Python itself adapts code that has run a few times
        run()
    found: list[Cost] = []
    # Tracing is a thread's own: whoever traces this one, for coverage or a debugger, is left alone.
    thread = threading.Thread(target=lambda: found.append(Cost(_steps(run), _calls(run))))
    gc.disable()  # who is called back when garbage is looked for, Hypothesis for one, would be counted
    try:
        thread.start()
        thread.join()
    finally:
        gc.enable()
    return found[0]


def _steps(run: Callable[[], None]) -> int:
    count = 0

    def trace(frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal count
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        count += event == "opcode"
        return trace

    sys.settrace(trace)
    try:
        run()
    finally:
        sys.settrace(None)
    return count


def _calls(run: Callable[[], None]) -> int:
    count = 0

    def profile(_frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal count
        count += event in _PROFILED

    sys.setprofile(profile)
    try:
        run()
    finally:
        sys.setprofile(None)
    return count - 1  # the call that ends the counting


def kept(make: Callable[[], object], count: int = 400) -> int:
    """Return how many bytes each of the things keeps that a function makes, on the mean of so many.

    Of fewer, what grows by leaps - a dict of all sessions - would weigh more or less by what was there before.
    """
    things = [make()]
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        things += [make() for _ in range(count)]
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return (after - before) // count
