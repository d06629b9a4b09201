"""The compressed protocol: packets of the plain protocol, as a stream, inside packets of another kind.

A compressed packet has a header of seven bytes - the length of what follows (3), a sequence id of its own kind (1), and
the length before compression (3; 0: what follows is not compressed) - and then the bytes. Where plain packets begin and
end in them does not matter. The sequence id starts from 0 with each command, and each side counts on from the id that
it got last.

Source: MySQL Internals, "Compression" and "Compressed Packet"; WL#12475 (zstd).
"""

import zlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final, Protocol

import zstandard

from proxy.config import CompressionAlgorithm
from proxy.wire.errors import ProtocolError
from proxy.wire.framing import HEADER
from proxy.wire.sequence import LAST, Headers

ZSTD_LEVEL: Final = 3
ZLIB_LEVEL: Final = 6

COMPRESSED_HEADER: Final = 7
_LEAST_TO_COMPRESS: Final = 50  # bytes; MySQL's MIN_COMPRESS_LENGTH
_PIECE: Final = 1 << 18  # bytes that are given out at once, however many a small packet swells to
_WHOLE: Final = 1 << 18  # bytes that are compressed at once
_UNBROKEN: Final = 1 << 20  # bytes up to which a packet of a reply is not spread over compressed ones


class _Inflater(Protocol):
    """Gives back the bytes of one compressed packet, piece by piece."""

    def inflate(self, data: bytes) -> Iterator[bytes]:
        """Take more of the packet; yield what it holds in pieces of bounded size."""


class _Stored:
    def inflate(self, data: bytes) -> Iterator[bytes]:
        yield data


class _Zlib:
    __slots__ = ("_stream",)

    def __init__(self) -> None:
        self._stream = zlib.decompressobj()

    def inflate(self, data: bytes) -> Iterator[bytes]:
        while data:
            yield self._stream.decompress(data, _PIECE)
            data = self._stream.unconsumed_tail


class _Zstd:
    """A frame of zstd swells at most to the size that the packet's header has told, which is checked by the reader."""

    __slots__ = ("_stream",)

    def __init__(self) -> None:
        self._stream = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()

    def inflate(self, data: bytes) -> Iterator[bytes]:
        yield self._stream.decompress(data)


_INFLATERS: Final[dict[CompressionAlgorithm, Callable[[], _Inflater]]] = {
    CompressionAlgorithm.ZLIB: _Zlib,
    CompressionAlgorithm.ZSTD: _Zstd,
}


class CompressedReader:
    """Turns one side's compressed bytes into plain ones as they come.

    Args:
        algorithm: what the side compresses with.

    Attributes:
        sequence: the id of the newest packet.
        packets: how many have begun.
    """

    __slots__ = ("_algorithm", "_header", "_inflater", "_left", "_plain_left", "packets", "sequence")

    def __init__(self, algorithm: CompressionAlgorithm) -> None:
        self._algorithm = algorithm
        self._header = b""  # the part of a header that has come
        self._left = 0  # bytes of the packet still to come
        self._plain_left = 0  # bytes that they may still swell to
        self._inflater: _Inflater = _Stored()
        self.sequence = 0
        self.packets = 0

    def read(self, data: bytes) -> Iterator[bytes]:
        """Take bytes as they came; yield plain ones.

        Raises:
            ProtocolError: they are not compressed as agreed, or hold more than their header tells.
        """
        position = 0
        while position < len(data):
            if not self._left:
                taken = data[position : position + COMPRESSED_HEADER - len(self._header)]
                position += len(taken)
                self._begin(self._header + taken)
                continue
            piece = data[position : position + self._left]
            position += len(piece)
            self._left -= len(piece)
            yield from self._inflate(piece)

    def _begin(self, header: bytes) -> None:
        if len(header) < COMPRESSED_HEADER:
            self._header = header
            return
        self._header = b""
        self._left = int.from_bytes(header[:3], "little")
        self.sequence = header[3]
        self.packets += 1
        plain = int.from_bytes(header[4:7], "little")
        self._inflater = _INFLATERS[self._algorithm]() if plain else _Stored()
        self._plain_left = plain or self._left

    def _inflate(self, data: bytes) -> Iterator[bytes]:
        try:
            for piece in self._inflater.inflate(data):
                self._plain_left -= len(piece)
                if self._plain_left < 0:
                    raise ProtocolError("a compressed packet holds more than its header tells")
                if piece:
                    yield piece
        except (zlib.error, zstandard.ZstdError) as error:
            raise ProtocolError("a compressed packet cannot be decompressed") from error


class CompressedWriter:
    """Turns plain bytes for one side into compressed ones.

    A server spreads a packet over two compressed ones at most, and never parts a short one's header; MySQL's
    Connector/Python relies on that where it is not built on C, and waits for ever otherwise. So the packets of replies
    are not spread at all, but for those longer than _UNBROKEN.

    Args:
        algorithm: what to compress with.
        level: how hard.
        reader: the same side's reader, whose sequence ids are counted on from.
        commands: whether the plain bytes are commands, each of which starts the ids anew, and not replies.
    """

    __slots__ = (
        *("_commands", "_compress", "_counted", "_headers", "_held", "_held_size"),
        *("_next", "_plain_sequence", "_reader"),
    )

    def __init__(self, algorithm: CompressionAlgorithm, level: int, reader: CompressedReader, commands: bool) -> None:
        self._reader = reader
        self._commands = commands
        self._next = 0  # the next packet's sequence id
        self._counted = 0  # how many packets the reader had when that was counted on from its newest
        self._headers = Headers()
        self._plain_sequence = -1  # the newest plain packet's sequence id
        self._held: list[bytes] = []  # the beginning of a reply's packet that is not whole yet
        self._held_size = 0
        self._compress: Callable[[bytes], bytes] = (
            zstandard.ZstdCompressor(level=level).compress
            if algorithm is CompressionAlgorithm.ZSTD
            else partial(zlib.compress, level=level)
        )

    def write(self, data: bytes) -> bytes:
        """Compress plain bytes; what is not a whole packet of a reply may be held back until it is."""
        answers = self._reader.packets != self._counted
        if answers:
            self._counted = self._reader.packets
            self._next = self._reader.sequence + 1
        if not self._commands:
            return b"".join(map(self._packet, self._reply_parts(data)))
        out: list[bytes] = []
        start = 0
        for at in self._command_starts(data, answers):
            out += self._packets(data[start:at])
            self._next = 0
            start = at
        return b"".join((*out, *self._packets(data[start:])))

    def _reply_parts(self, data: bytes) -> Iterator[bytes]:
        """Yield what each go into a compressed packet: whole packets of replies, or parts of a long one."""
        before = self._held_size
        starts = [before + at + 1 - HEADER for at in self._headers.walk(data)]
        self._held.append(data)
        self._held_size += len(data)
        whole = max(self._held_size - self._headers.unfinished, 0)
        if self._held_size - whole > _UNBROKEN:
            whole = self._held_size
        if not whole:
            return
        plain = b"".join(self._held)
        self._held = [plain[whole:]]
        self._held_size -= whole
        begin = end = 0
        for stop in (*(start for start in starts if 0 < start < whole), whole):
            if end > begin and stop - begin > _WHOLE:
                yield plain[begin:end]
                begin = end
            end = stop
        yield plain[begin:whole]

    def _command_starts(self, data: bytes, answers: bool) -> Iterator[int]:
        """Yield where commands begin: packets of sequence id 0, unless the id has only come round, or they continue.

        Args:
            data: plain bytes, of which no packet's header is cut.
            answers: whether the other side has spoken since the last ones: then an id of 0 is always a new command.
        """
        for at in self._headers.walk(data):
            sequence = data[at]
            if sequence == 0 and not self._headers.continued and (answers or self._plain_sequence != LAST):
                yield at + 1 - HEADER
            self._plain_sequence = sequence
            answers = False

    def _packets(self, data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), _WHOLE):
            yield self._packet(data[start : start + _WHOLE])

    def _packet(self, data: bytes) -> bytes:
        size = len(data)
        packed = self._compress(data) if size >= _LEAST_TO_COMPRESS else data
        if len(packed) >= size:
            packed, size = data, 0
        header = len(packed).to_bytes(3, "little") + bytes((self._next & 0xFF,)) + size.to_bytes(3, "little")
        self._next += 1
        return header + packed
