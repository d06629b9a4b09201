"""How a new process takes the place of an old one: it is handed the sockets, so that no connection is refused.

    old                                   new
     │ ◄──────────── connects ──────────── │
     │ ─── the sockets, and what for ────► │  starts to serve
     │ ◄────────────── READY ───────────── │
     │ closes its copies, drains           │

The queue of connections belongs to the socket, not to a process: what waits in it when the old process closes its copy,
the new one accepts. If the new process ends before it is ready, nothing has changed for the old one.
"""

import asyncio
import json
import os
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import structlog

from proxy.net.listening import inherited
from proxy.net.side import describe
from proxy.net.unix_socket import UnixSocket, bind
from proxy.run.policy import StartError
from proxy.run.sockets import Heritage, Sockets

_log = structlog.get_logger(__name__)

_READY: Final = b"READY"
_MOST: Final = 1 << 16
_MOST_SOCKETS: Final = 250
"""As many as a message may hand over (SCM_MAX_FD is 253)."""
_MODE: Final = 0o600
_SECONDS: Final = 10.0
"""For the old process to hand its sockets over."""
_CREDENTIALS: Final = struct.Struct("3i")


class Predecessor:
    """The process that serves now, from the new one's side. heritage: the sockets that it has handed over."""

    def __init__(self, path: Path) -> None:
        """Ask the process behind a Unix socket for its sockets. Raises StartError if there is none."""
        self._sock = sock = socket.socket(socket.AF_UNIX)
        try:
            sock.settimeout(_SECONDS)
            sock.connect(str(path))
            data, files, _flags, _address = socket.recv_fds(sock, _MOST, _MOST_SOCKETS)
            self.heritage = _heritage(json.loads(data), [socket.socket(fileno=file) for file in files])
        except (OSError, ValueError, KeyError, TypeError) as error:
            sock.close()
            raise StartError(f"cannot take over by {path}: {describe(error)}") from error

    async def relieve(self) -> None:
        """Tell it that it may go; returns when it has let go of its place."""
        self._sock.setblocking(False)
        loop = asyncio.get_running_loop()
        try:
            await loop.sock_sendall(self._sock, _READY)
            await loop.sock_recv(self._sock, 1)
        except OSError as error:
            _log.warning("predecessor lost", reason=describe(error))
        self._sock.close()


class Succession:
    """Waits at a Unix socket for the process that is to take over.

    sockets: what it is handed. relieved: called when it serves.
    """

    def __init__(self, sockets: Sockets, relieved: Callable[[], None]) -> None:
        self._sockets = sockets
        self._relieved = relieved
        self._place: UnixSocket | None = None
        self._waiting: asyncio.Task[None] | None = None

    def start(self, path: Path) -> None:
        """Wait at a path. Raises StartError."""
        try:
            self._place = bind(path, _MODE)
            self._place.sock.listen()
        except OSError as error:
            raise StartError(f"cannot listen on {path} (take_over): {describe(error)}") from error
        self._waiting = asyncio.create_task(self._wait(self._place))

    def stop(self) -> None:
        """Wait no longer."""
        if self._waiting is not None:
            self._waiting.cancel()
        if self._place is not None:
            self._place.remove()
            self._place.sock.close()
            self._place = None

    async def _wait(self, place: UnixSocket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            successor, _ = await loop.sock_accept(place.sock)
            with successor:
                if await self._hand_over(successor):
                    # It will wait here for its own successor.
                    place.remove()
                    place.sock.close()
                    self._place = None
                    self._sockets.disown()
                    self._relieved()
                    return

    async def _hand_over(self, successor: socket.socket) -> bool:
        """Hand the sockets over; tell whether the other process serves now."""
        pid, uid, _gid = _CREDENTIALS.unpack(
            successor.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        )
        if uid not in (0, os.geteuid()):
            _log.warning("successor refused", pid=pid, uid=uid)
            return False
        *clients, admin = self._sockets.asked
        told: dict[str, Any] = {"clients": [], "admin": admin}
        files = []
        for asked, listening in zip(clients, self._sockets.clients, strict=True):
            told["clients"].append([asked, len(listening.sockets)])
            files += [sock.fileno() for sock in listening.sockets]
        files += [sock.fileno() for sock in self._sockets.admin.sockets]
        try:
            successor.setblocking(False)
            socket.send_fds(successor, [json.dumps(told).encode()], files)
            _log.info("sockets handed over", pid=pid)
            said = await asyncio.get_running_loop().sock_recv(successor, len(_READY))
        except OSError as error:
            _log.warning("successor lost", pid=pid, reason=describe(error))
            return False
        if said != _READY:
            _log.warning("successor lost", pid=pid, reason="it ended before it was ready")
        return said == _READY


def _heritage(told: dict[str, Any], sockets: list[socket.socket]) -> Heritage:
    clients = []
    for asked, count in told["clients"]:
        clients.append((str(asked), inherited(sockets[:count], own=True)))
        sockets = sockets[count:]
    return Heritage(tuple(clients), (str(told["admin"]), inherited(sockets)))
