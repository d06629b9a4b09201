"""A client whose replies are bytes, so that a reply through the proxy can be compared with a direct one."""

import secrets
import socket
import struct

QUIT, INIT_DB, QUERY, FIELD_LIST, STATISTICS, DEBUG, PING = 0x01, 0x02, 0x03, 0x04, 0x09, 0x0D, 0x0E
PREPARE, EXECUTE, LONG_DATA, CLOSE, RESET, SET_OPTION, FETCH = 0x16, 0x17, 0x18, 0x19, 0x1A, 0x1B, 0x1C
CHANGE_USER, RESET_CONNECTION, BULK_EXECUTE = 0x11, 0x1F, 0xFA

Packet = tuple[int, bytes]
"""A packet's sequence id and payload."""


class RawClient:
    """Holds a conversation over a connection that has logged in."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._read = bytearray()

    def vanish(self) -> None:
        """Break the connection off, without a word to the server."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def send(self, *packets: bytes) -> None:
        """Send packets in one go."""
        self.socket.sendall(b"".join(packets))

    def packet(self) -> Packet:
        """Read one packet."""
        while len(self._read) < 4 or len(self._read) < (end := 4 + int.from_bytes(self._read[:3], "little")):
            self._fill()
        found = self._read[3], bytes(self._read[4:end])
        del self._read[:end]
        return found

    def ask(self, *commands: bytes) -> list[Packet]:
        """Send commands in one go and return all packets of their replies."""
        return split(self.ask_bytes(*commands))

    def ask_bytes(self, *commands: bytes) -> bytes:
        """Send commands in one go and return the bytes of their replies.

        The end is found without a look at the replies: a last command names a database that does not exist, and
        the server's error repeats the name.
        """
        name = f"end_{secrets.token_hex(8)}".encode()
        self.send(*commands, command(INIT_DB, name))
        looked_at = 0
        while (at := self._read.find(b"'" + name + b"'", looked_at)) < 0:
            looked_at = max(0, len(self._read) - len(name) - 2)
            self._fill()
        reply = bytes(self._read[: self._read.rfind(b"\x01\xff", 0, at) - 3])
        self._read.clear()
        return reply

    def query(self, text: str) -> list[Packet]:
        """Send a statement and return all packets of its reply."""
        return self.ask(command(QUERY, text.encode()))

    def _fill(self) -> None:
        data = self.socket.recv(1 << 18)
        if not data:
            raise EOFError
        self._read += data


def command(code: int, body: bytes = b"") -> bytes:
    """Frame a command."""
    return framed(bytes((code,)) + body)


def framed(payload: bytes, sequence: int = 0) -> bytes:
    """Put a payload into as many packets as it needs."""
    packets: list[bytes] = []
    for number, start in enumerate(range(0, len(payload) + 1, 0xFFFFFF)):
        part = payload[start : start + 0xFFFFFF]
        packets += [len(part).to_bytes(3, "little"), bytes(((sequence + number) & 0xFF,)), part]
    return b"".join(packets)


def split(data: bytes) -> list[Packet]:
    """Split bytes into packets."""
    packets, at = [], 0
    while at < len(data):
        end = at + 4 + int.from_bytes(data[at : at + 3], "little")
        packets.append((data[at + 3], data[at + 4 : end]))
        at = end
    return packets
