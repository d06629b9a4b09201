"""The listening sockets of a proxy: its own, those of the process before it, or those of the service manager."""

import os
import socket
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Final

from proxy.config import ProxyConfig
from proxy.net.listening import Listening, inherited, open_listening
from proxy.net.side import describe
from proxy.run.policy import StartError

ADMIN: Final = "admin"
"""The name (`FileDescriptorName=`) of the service manager's socket for the admin address."""
_FIRST: Final = 3
"""The first descriptor that a service manager hands over, see sd_listen_fds(3)."""


@dataclass(frozen=True, slots=True)
class Heritage:
    """Sockets that listen already, each with the address that it was opened for; None: whatever is configured."""

    clients: tuple[tuple[str | None, Listening], ...] = ()
    admin: tuple[str | None, Listening] | None = None


NOTHING: Final = Heritage()


@dataclass(frozen=True, slots=True)
class Sockets:
    """The listening sockets of a proxy; asked: the addresses of `clients` and `admin` as they are configured."""

    clients: tuple[Listening, ...]
    admin: Listening
    asked: tuple[str, ...]

    def disown(self) -> None:
        """Leave the files of Unix sockets to another process, which listens there now."""
        for listening in self.clients:
            listening.disown()

    def close(self) -> None:
        """Close all."""
        for listening in (*self.clients, self.admin):
            listening.close()


def open_sockets(config: ProxyConfig, heritage: Heritage) -> Sockets:
    """Listen where the configuration says, with the sockets of the heritage where they fit. Raises StartError."""
    left: dict[str, Listening] = {asked: listening for asked, listening in heritage.clients if asked is not None}
    given = [listening for asked, listening in heritage.clients if asked is None]
    opened: list[Listening] = list(given)
    asked = [str(endpoint) for endpoint in config.listeners]
    try:
        if not given:
            for endpoint in config.listeners:
                place = str(endpoint)
                opened.append(left.pop(place) if place in left else open_listening(endpoint, config.socket_mode))
        place = f"{config.admin} ({ADMIN})"
        admin = _admin(config, heritage) or open_listening(config.admin)
    except OSError as error:
        for listening in opened:
            listening.close()
        raise StartError(f"cannot listen on {place}: {describe(error)}") from error
    for listening in left.values():
        listening.close()
    return Sockets(tuple(opened), admin, (*(asked if not given else map(str, given)), str(config.admin)))


def _admin(config: ProxyConfig, heritage: Heritage) -> Listening | None:
    if heritage.admin is None:
        return None
    asked, listening = heritage.admin
    if asked in (None, str(config.admin)):
        return listening
    listening.close()
    return None


def from_service_manager(environment: MutableMapping[str, str] = os.environ) -> Heritage:
    """Take the sockets that a service manager has opened (socket activation), and forget that there were any."""
    ours = environment.get("LISTEN_PID") == str(os.getpid())
    count = int(environment.get("LISTEN_FDS", "0")) if ours else 0
    names = environment.get("LISTEN_FDNAMES", "").split(":")
    for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        environment.pop(name, None)
    clients: list[tuple[str | None, Listening]] = []
    admin = None
    for index in range(count):
        sock = socket.socket(fileno=_FIRST + index)
        sock.set_inheritable(False)
        if names[index : index + 1] == [ADMIN]:
            admin = None, inherited([sock])
        else:
            clients.append((None, inherited([sock])))
    return Heritage(tuple(clients), admin)
