"""What a client does that is alone: it has one connection, and sends a command when it has the last one's reply."""

import random
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Final

from tests.bench.loads import LoadError, Site
from tests.bench.tables import ROWS
from tests.raw import Raw

Event = Callable[[], int]
"""One thing that a client wants, done. Returns how many statements it took. Raises LoadError."""

_POINT: Final = "SELECT c FROM plain WHERE id = "
_TEXT: Final = "0123456789" * 6
_HEADER: Final = 4
_RECEIVED: Final = 1 << 16
_OK, _END, _ERROR = 0x00, 0xFE, 0xFF
_END_SIZE: Final = _HEADER + 5  # without DEPRECATE_EOF
_DUPLICATE: Final = (1062).to_bytes(2, "little")


@dataclass(frozen=True, slots=True)
class Single:
    """A load of one connection; turns: those with the same are compared, and take turns."""

    turns: str

    def begin(self, raw: Raw, site: Site) -> Event:
        """Do what comes once, and return what is done again and again."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class SelectText(Single):
    """Reads one row by its primary key."""

    def begin(self, raw: Raw, site: Site) -> Event:
        """Begin."""

        def event() -> int:
            _result(_ask(raw.stream, _text(f"{_POINT}{_existing()}")))
            return 1

        return event


@dataclass(frozen=True, slots=True)
class SelectPrepared(Single):
    """Reads one row by its primary key, with a prepared statement."""

    def begin(self, raw: Raw, site: Site) -> Event:
        """Prepare it, and execute it once to tell the parameter's type: a client tells it once."""
        head = b"\x17" + raw.prepare(f"{_POINT}?").to_bytes(4, "little") + b"\0\1\0\0\0"
        _result(_ask(raw.stream, _packet(head + b"\0\1\x08\0" + _existing().to_bytes(8, "little"))))

        def event() -> int:
            _result(_ask(raw.stream, _packet(head + b"\0\0" + _existing().to_bytes(8, "little"))))
            return 1

        return event


@dataclass(frozen=True, slots=True)
class Insert(Single):
    """Inserts rows of which some are there already; a proxy is to resolve that.

    share: per cent of them that are there.
    """

    table: str
    share: int

    def begin(self, raw: Raw, site: Site) -> Event:
        """Begin."""
        offered = _offered(self.share, site)

        def event() -> int:
            reply = _ask(raw.stream, _insert(self.table, next(offered)))
            if reply[_HEADER] != _OK:
                raise LoadError(f"an INSERT into {self.table} was refused: {reply!r}")
            return 1

        return event


@dataclass(frozen=True, slots=True)
class InsertOr(Insert):
    """What an application does by itself: it takes 1062 for an answer, and sends a second statement.

    second: the beginning of it, to which the key is added; it gives rows if it is a SELECT.
    """

    second: str

    def begin(self, raw: Raw, site: Site) -> Event:
        """Begin."""
        offered = _offered(self.share, site)
        check = _result if self.second.startswith("SELECT") else _done

        def event() -> int:
            key = next(offered)
            reply = _ask(raw.stream, _insert(self.table, key))
            if reply[_HEADER] == _OK:
                return 1
            if reply[5:7] != _DUPLICATE:
                raise LoadError(f"an INSERT into {self.table} was refused: {reply!r}")
            check(_ask(raw.stream, _text(f"{self.second}{key}")))
            return 2

        return event


SECONDS: Final = {
    "select": "SELECT id, c, n FROM unruled WHERE k = ",
    "update": f"UPDATE unruled SET c = '{_TEXT}', n = n + 1 WHERE k = ",
}
"""The second statements of applications."""


def _existing() -> int:
    return random.randint(1, ROWS)


def _offered(share: int, site: Site) -> Iterator[int]:
    """Return keys without end, of which a share of so many per cent is there."""
    new = count(next(site.keys))
    while True:
        yield _existing() if random.randint(1, 100) <= share else next(new)


def _insert(table: str, key: int) -> bytes:
    return _text(f"INSERT INTO {table} (k, c, n) VALUES ({key}, '{_TEXT}', 1)")


def _text(text: str) -> bytes:
    return _packet(b"\x03" + text.encode())


def _packet(payload: bytes) -> bytes:
    return len(payload).to_bytes(_HEADER, "little") + payload


def _ask(stream: socket.socket, packet: bytes) -> bytes:
    """Send a command and return its whole reply."""
    stream.sendall(packet)
    reply = stream.recv(_RECEIVED)
    while not _is_whole(reply):
        more = stream.recv(_RECEIVED)
        if not more:
            raise LoadError(f"the connection ended within a reply: {reply!r}")
        reply += more
    return reply


def _is_whole(reply: bytes) -> bool:
    """Tell whether a reply to a client without DEPRECATE_EOF has come to its end."""
    size = len(reply) - _HEADER
    if size > 0 and reply[_HEADER] in (_OK, _ERROR):
        return size == int.from_bytes(reply[:3], "little")
    return size > _END_SIZE and reply[-_END_SIZE] == _END_SIZE - _HEADER and reply[-5] == _END


def _result(reply: bytes) -> None:
    if reply[_HEADER] in (_OK, _ERROR):
        raise LoadError(f"a SELECT gave no rows: {reply!r}")


def _done(reply: bytes) -> None:
    if reply[_HEADER] != _OK:
        raise LoadError(f"an UPDATE was refused: {reply!r}")
