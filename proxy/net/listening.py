"""Sockets that listen for clients."""

import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from proxy.config import Address, Endpoint, UnixAddress
from proxy.net.side import tune
from proxy.net.unix_socket import UnixSocket, bind

BACKLOG: Final = 1024
"""How many connections may wait to be accepted; the system may allow fewer."""


@dataclass(frozen=True, slots=True)
class Listening:
    """The sockets of one address; a host name may stand for several.

    endpoint: what is really bound. unix_socket: what knows the file of a Unix socket that is ours to remove.
    """

    endpoint: Endpoint
    sockets: tuple[socket.socket, ...]
    unix_socket: UnixSocket | None = None

    def remove(self) -> None:
        """Delete the file of a Unix socket."""
        if self.unix_socket is not None:
            self.unix_socket.remove()

    def disown(self) -> None:
        """Leave the file of a Unix socket to another process."""
        if self.unix_socket is not None:
            self.unix_socket.disown()

    def close(self) -> None:
        """Close the sockets."""
        self.remove()
        for sock in self.sockets:
            sock.close()


def open_listening(endpoint: Endpoint, socket_mode: int = 0o777) -> Listening:
    """Listen on an address; port 0 asks for a free one. socket_mode: of a Unix socket's file. Raises OSError."""
    if isinstance(endpoint, UnixAddress):
        unix_socket = bind(endpoint.path, socket_mode)
        unix_socket.sock.listen(BACKLOG)
        return Listening(endpoint, (unix_socket.sock,), unix_socket)
    sockets: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _name, address in dict.fromkeys(found):
            sockets.append(_listen(family, kind, protocol, address))
    except OSError:
        for sock in sockets:
            sock.close()
        raise
    return inherited(sockets)


def inherited(sockets: list[socket.socket], own: bool = False) -> Listening:
    """Take sockets over that listen already, all of one address; own: a Unix socket's file is ours to remove."""
    for sock in sockets:
        sock.setblocking(False)
        if sock.family != socket.AF_UNIX:
            tune(sock)  # whoever is accepted inherits it
    name = sockets[0].getsockname()
    if sockets[0].family == socket.AF_UNIX:
        path = Path(os.fsdecode(name))
        return Listening(UnixAddress(path), tuple(sockets), UnixSocket(sockets[0], path) if own else None)
    return Listening(Address(name[0], name[1]), tuple(sockets))


def _listen(family: int, kind: int, protocol: int, address: object) -> socket.socket:
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)  # type: ignore[arg-type]  # it is what getaddrinfo gave
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock
