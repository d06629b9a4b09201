"""One client connection of the recorder's. It reads no replies: what was sent is answered when a mark comes back."""

import contextlib
import itertools
import select
import socket
from collections import deque
from collections.abc import Callable, Iterable

from tests.diff.commands import Memory, framed
from tests.diff.conversation import Profile
from tests.diff.cutting import MOST_CALLS, Sizes, pieces
from tests.diff.login import CACHING_SHA2, encrypted, greeting_nonce, greeting_plugin, scramble, thread_id
from tests.diff.packets import Packet
from tests.raw import CONNECT_WITH_DB, LONG_PASSWORD, MULTI_RESULTS, PLUGIN_AUTH, PROTOCOL_41, PS_MULTI_RESULTS
from tests.raw import SECURE_CONNECTION as SECURE

PATIENCE = 5.0
"""Seconds without a byte after which a peer is taken for silent."""
ALWAYS = PROTOCOL_41 | SECURE | PLUGIN_AUTH | MULTI_RESULTS | PS_MULTI_RESULTS | CONNECT_WITH_DB
_marks = itertools.count()


class SilentError(Exception):
    """Nothing comes any more, and something is due."""


class RefusedError(Exception):
    """The login failed."""


class Line:
    """A session.

    Attributes:
        transcript: the packets that answered the login.
        received: the bytes that have come and were not taken.
        closed: the other side has closed the connection.
    """

    def __init__(self, address: tuple[str, int], profile: Profile, schema: bytes, user: bytes, password: bytes) -> None:
        own = 0 if profile.mariadb_capabilities else LONG_PASSWORD
        self.profile = profile
        self.memory = Memory(profile.capabilities, schema)
        self.received = bytearray()
        self.closed = False
        self.user, self._password = user, password
        self._output: deque[bytes] = deque()
        self._scanned = 0
        self._socket = socket.create_connection(address, timeout=PATIENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setblocking(False)
        self.transcript = [self.packet()]
        greeting = self.transcript[0][1]
        self.thread_id = thread_id(greeting)
        self.plugin = greeting_plugin(greeting)
        nonce = greeting_nonce(greeting)
        answer = scramble(self.plugin, password, nonce)
        flags = (profile.capabilities | ALWAYS | own).to_bytes(4, "little")
        terms = flags + b"\0\0\0\4" + bytes((profile.collation,)) + bytes(19)
        terms += profile.mariadb_capabilities.to_bytes(4, "little")
        who = user + b"\0" + bytes((len(answer),)) + answer + schema + b"\0" + self.plugin + b"\0"
        self.send(framed(terms + who, 1))
        self.transcript += self.authenticate(self.plugin, nonce, password)
        if self.transcript[-1][1][0]:
            raise RefusedError(self.transcript[-1][1])

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def end_writing(self) -> None:
        """Close the client's direction of the connection, once all is sent."""
        pump((self,), lambda: not self._output)
        with contextlib.suppress(OSError):  # the other side was first
            self._socket.shutdown(socket.SHUT_WR)

    def send(self, data: bytes, cuts: Sizes = ()) -> None:
        """Send bytes, each piece with a call of its own."""
        self._output.extend(piece for piece in pieces(data, cuts, MOST_CALLS) if piece)
        self.write()

    def write(self) -> None:
        """Write as much as the other side takes now."""
        output = self._output
        while output:
            try:
                sent = self._socket.send(output[0])
            except BlockingIOError:
                return
            except OSError:  # closed; what it has sent before is still to be read
                output.clear()
                return
            if sent < len(output[0]):
                output[0] = output[0][sent:]
                return
            output.popleft()

    def read(self) -> None:
        """Read what is there."""
        try:
            data = self._socket.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self.received += data
        self.closed = not data

    def events(self) -> int:
        """Say what to wait for."""
        return select.POLLIN | (select.POLLOUT if self._output else 0)

    def fileno(self) -> int:
        """Return the socket's file descriptor."""
        return self._socket.fileno()

    def packet(self) -> Packet:
        """Wait for one packet and take it. Raises EOFError at the end of the connection."""
        received = self.received
        pump((self,), lambda: self.closed or len(received) >= 4 + int.from_bytes(received[:3], "little") > 4)
        end = 4 + int.from_bytes(received[:3], "little")
        if len(received) < end or end == 4:
            raise EOFError
        found = received[3], bytes(received[4:end])
        del received[:end]
        return found

    def marked(self, mark: bytes) -> int:
        """Return where the packet with a mark begins, -1 if it is not there."""
        at = self.received.find(mark, max(0, self._scanned - len(mark)))
        self._scanned = len(self.received)
        return self.received.rfind(b"\x01\xff", 0, at) - 3 if at >= 0 else -1

    def take(self, end: int) -> bytes:
        """Take the replies up to the mark's packet, which is dropped with them; -1: take all."""
        taken = bytes(self.received[:end] if end >= 0 else self.received)
        if end >= 0:
            end += 4 + int.from_bytes(self.received[end : end + 3], "little")
        del self.received[: end if end >= 0 else len(self.received)]
        self._scanned = 0
        return taken

    def number_of_statement(self) -> int:
        """Prepare and close a statement; return its id."""
        self.send(framed(b"\x16DO 1"))
        number = self.packet()[1][1:5]
        self.send(framed(b"\x19" + number))
        return int.from_bytes(number, "little")

    def authenticate(self, plugin: bytes, nonce: bytes, password: bytes) -> list[Packet]:
        """Answer the server until it says OK or ERR; return what it said."""
        said = []
        while True:
            sequence, payload = self.packet()
            said.append((sequence, payload))
            if payload == b"\x01\x04":
                self.send(framed(b"\x02", sequence + 1))
            elif payload[:2] == b"\x01-":
                self.send(framed(encrypted(password, nonce, payload[1:]), sequence + 1))
            elif payload[0] == 0xFE:
                plugin, _, nonce = payload[1:].rstrip(b"\0").partition(b"\0")
                self.send(framed(scramble(plugin, password, nonce), sequence + 1))
            elif payload[0] in (0x00, 0xFF):
                return said

    def change_user(self, plugin: bytes, password: bytes, database: bytes) -> list[Packet]:
        """Change to the tester's own account; return what the server said."""
        nonce = greeting_nonce(self.transcript[0][1])
        answer = scramble(plugin or self.plugin, password, nonce)
        payload = b"\x11" + self.user + b"\0" + bytes((len(answer),)) + answer + database + b"\0"
        self.send(framed(payload + self.profile.collation.to_bytes(2, "little") + (plugin or CACHING_SHA2) + b"\0"))
        return self.authenticate(plugin or self.plugin, nonce, password)


def mark() -> tuple[bytes, bytes]:
    """Return a command that the server answers with an error, and the bytes by which that is known."""
    name = b"end_%08d" % next(_marks)
    return framed(b"\x02" + name), b"'" + name + b"'"


def pump(lines: Iterable[Line], until: Callable[[], bool]) -> None:
    """Write and read on the lines until a condition holds. Raises SilentError."""
    while not until():
        poller = select.poll()
        by_number = {line.fileno(): line for line in lines if not line.closed}
        for line in by_number.values():
            poller.register(line, line.events())
        ready = poller.poll(PATIENCE * 1000)
        if not ready:
            raise SilentError
        for number, events in ready:
            if events & select.POLLOUT:
                by_number[number].write()
            if events & ~select.POLLOUT:
                by_number[number].read()
