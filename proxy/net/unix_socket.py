"""Listening on a Unix socket: the file's permissions, and the file that a dead process has left behind."""

import errno
import socket
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

_STALE: Final = (errno.ECONNREFUSED, errno.ENOENT)


class UnixSocket:
    """A socket that is bound to a file, and does not listen yet; made by `bind`.

    Attributes:
        sock: the socket.
    """

    __slots__ = ("_identity", "_path", "sock")

    def __init__(self, sock: socket.socket, path: Path) -> None:
        self.sock = sock
        self._path = path
        self._identity: tuple[int, int] | None = _identity(path)

    def remove(self) -> None:
        """Delete the file, unless it is another's by now."""
        with suppress(OSError):
            if self._identity is not None and _identity(self._path) == self._identity:
                self._path.unlink()

    def disown(self) -> None:
        """Leave the file to another process that has the socket, too."""
        self._identity = None


def bind(path: Path, mode: int) -> UnixSocket:
    """Make a socket at `path` with the permissions `mode`; one that nobody listens on any more is replaced.

    Raises:
        OSError: the file is in use or is no socket, or the system refuses.
    """
    _remove_stale(path)
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.setblocking(False)
        sock.bind(str(path))
        # Before it listens: until then every attempt to connect is refused.
        path.chmod(mode)
        return UnixSocket(sock, path)
    except BaseException:
        sock.close()
        raise


def _remove_stale(path: Path) -> None:
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            return  # bind tells that the address is in use
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX) as visitor:
        visitor.setblocking(False)
        if visitor.connect_ex(str(path)) in _STALE:
            path.unlink(missing_ok=True)


def _identity(path: Path) -> tuple[int, int]:
    found = path.lstat()
    return found.st_dev, found.st_ino
