"""The compressed protocol: packets of the plain protocol, as a stream, inside packets of another kind.

A compressed packet has a header of seven bytes - the length of what follows (3), a sequence id of its own kind (1), and
the length before compression (3; 0: what follows is not compressed) - and then the bytes. Where plain packets begin and
end in them does not matter. The sequence id starts from 0 with each command, and each side counts on from the id that
it got last.

Source: MySQL Internals, "Compression" and "Compressed Packet"; WL#12475 (zstd).
"""

import zlib
from collections.abc import Callable, Generator, Iterator
from functools import partial
from typing import IO, Final, Protocol, cast

import zstandard

from proxy.config import CompressionAlgorithm
from proxy.wire.errors import ProtocolError
from proxy.wire.framing import HEADER, MAX_PAYLOAD
from proxy.wire.sequence import LAST, Headers

ZSTD_LEVEL: Final = 3
ZLIB_LEVEL: Final = 6

COMPRESSED_HEADER: Final = 7
_LEAST_TO_COMPRESS: Final = 50  # bytes; MySQL's MIN_COMPRESS_LENGTH
_PIECE: Final = 1 << 18  # bytes that are given out at once, however many a small packet swells to
_SIP: Final = 1 << 10  # bytes of zstd that are taken at once: they swell to 32 MiB at most
_WHOLE: Final = 1 << 18  # bytes that are compressed at once
_UNBROKEN: Final = 1 << 20  # bytes up to which a packet of a reply is compressed as a whole
_TOO_MUCH: Final = "a compressed packet holds more than its header tells"
_TOO_LITTLE: Final = "a compressed packet holds less than its header tells"
_KEPT: Final = 1 << 20  # compressed bytes of a longer one that wait at most until it is known how many they will be


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
        piece = b""
        while data or len(piece) == _PIECE:  # a full one may leave more behind, with nothing of the input
            piece = self._stream.decompress(data, _PIECE)
            data = self._stream.unconsumed_tail
            yield piece


class _Zstd:
    """Decompresses a frame of zstd, in which four bytes may swell to 128 KiB: what comes out is counted as it comes."""

    __slots__ = ("_sink", "_stream")

    def __init__(self, size: int) -> None:
        self._sink = _Sink(size)
        self._stream = zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_writer(
            cast(IO[bytes], self._sink)  # of which it asks for `write` alone
        )

    def inflate(self, data: bytes) -> Iterator[bytes]:
        for at in range(0, len(data), _SIP):
            self._stream.write(data[at : at + _SIP])
            yield from self._sink.taken()


class _Sink:
    """Takes what is decompressed, and drops what is too much; size: how much it may be.

    It does not raise then, for python-zstandard 0.25 would never free what it has written out.
    """

    __slots__ = ("_left", "_pieces")

    def __init__(self, size: int) -> None:
        self._left = size
        self._pieces: list[bytes] = []

    def write(self, piece: bytes) -> int:
        self._left -= len(piece)
        if self._left >= 0:
            self._pieces.append(piece)
        return len(piece)

    def taken(self) -> list[bytes]:
        if self._left < 0:
            raise ProtocolError(_TOO_MUCH)
        pieces, self._pieces = self._pieces, []
        return pieces


_INFLATERS: Final[dict[CompressionAlgorithm, Callable[[int], _Inflater]]] = {
    CompressionAlgorithm.ZLIB: lambda _: _Zlib(),
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
            ProtocolError: they are not compressed as agreed, or hold more or less than their header tells.
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
        self._inflater = _INFLATERS[self._algorithm](plain) if plain else _Stored()
        self._plain_left = plain or self._left
        if plain and not self._left:
            raise ProtocolError(_TOO_LITTLE)

    def _inflate(self, data: bytes) -> Iterator[bytes]:
        try:
            for piece in self._inflater.inflate(data):
                self._plain_left -= len(piece)
                if self._plain_left < 0:
                    raise ProtocolError(_TOO_MUCH)
                if piece:
                    yield piece
            if not self._left and self._plain_left:
                raise ProtocolError(_TOO_LITTLE)
        except (zlib.error, zstandard.ZstdError) as error:
            raise ProtocolError("a compressed packet cannot be decompressed") from error


class _Deflater(Protocol):
    """Compresses one packet's bytes as they come."""

    def compress(self, data: bytes) -> bytes:
        """Take more bytes; return what is compressed by now."""

    def flush(self) -> bytes:
        """Return the rest."""


class CompressedWriter:
    """Turns plain bytes for one side into compressed ones.

    A server spreads a packet over two compressed ones at most, and never parts a short one's header; MySQL's
    Connector/Python relies on that where it is not built on C, and waits for ever otherwise. So the packets of replies
    go whole into one, or a long one into two: its beginning until it has grown to _KEPT compressed, and the rest as it
    is, which can be announced before it has come.

    Args:
        algorithm: what to compress with.
        level: how hard.
        reader: the same side's reader, whose sequence ids are counted on from.
        commands: whether the plain bytes are commands, each of which starts the ids anew, and not replies.
    """

    __slots__ = (
        *("_begin_stream", "_commands", "_compress", "_counted", "_headers", "_held", "_held_size"),
        *("_long", "_need", "_next", "_plain_sequence", "_reader"),
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
        self._need = HEADER  # how much there must be of it before it is looked at
        self._long: _LongPacket | None = None  # the one that is under way
        self._compress: Callable[[bytes], bytes]
        self._begin_stream: Callable[[], _Deflater]
        if algorithm is CompressionAlgorithm.ZSTD:
            compressor = zstandard.ZstdCompressor(level=level)
            self._compress, self._begin_stream = compressor.compress, compressor.compressobj
        else:
            self._compress = partial(zlib.compress, level=level)
            self._begin_stream = partial(zlib.compressobj, level)

    def write(self, data: bytes) -> bytes:
        """Compress plain bytes; what is not a whole packet of a reply may be held back until it is."""
        answers = self._reader.packets != self._counted
        if answers:
            self._counted = self._reader.packets
            self._next = self._reader.sequence + 1
        return b"".join(self._command_packets(data, answers) if self._commands else self._reply_packets(data))

    # ----------------------------------------------------------------------------------------------------------------
    # Commands

    def _command_packets(self, data: bytes, answers: bool) -> Iterator[bytes]:
        start = 0
        for at in self._command_starts(data, answers):
            yield from self._packets(data[start:at])
            self._next = 0
            start = at
        yield from self._packets(data[start:])

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

    # ----------------------------------------------------------------------------------------------------------------
    # Replies

    def _reply_packets(self, data: bytes) -> Iterator[bytes]:
        """Yield what the client gets: several short packets together, and of a long one what it can have by now."""
        if self._long is not None:
            rest = data[self._long.left :]
            yield from self._go_on(self._long, data[: self._long.left])
            data = rest
        self._held.append(data)
        self._held_size += len(data)
        if self._held_size >= self._need:
            plain = b"".join(self._held)
            taken = yield from self._whole_ones(plain)
            self._keep(plain[taken:])

    def _keep(self, rest: bytes) -> None:
        self._held = [rest]
        self._held_size = len(rest)
        self._need = _size_at(rest, 0)

    def _whole_ones(self, plain: bytes) -> Generator[bytes, None, int]:
        """Yield the whole packets at the beginning of these bytes; return where the one begins that is not whole."""
        begin = end = 0
        while end < len(plain):
            size = _size_at(plain, end)
            long = size > _UNBROKEN
            if end > begin and (long or end + size - begin > _WHOLE):
                yield self._packet(plain[begin:end])
                begin = end
            if not long and end + size > len(plain):
                break
            if long:
                self._long = _LongPacket(size, self._begin_stream())
                yield from self._go_on(self._long, plain[end : end + size])
                begin = min(end + size, len(plain))
            end = min(end + size, len(plain))
        if end > begin:
            yield self._packet(plain[begin:end])
        return end

    def _go_on(self, long: "_LongPacket", data: bytes) -> Iterator[bytes]:
        for size, plain, pieces in long.take(data):
            if size:
                yield self._header(size, plain)
            yield from pieces
        if not long.left:
            self._long = None

    # ----------------------------------------------------------------------------------------------------------------

    def _packet(self, data: bytes) -> bytes:
        size = len(data)
        packed = self._compress(data) if size >= _LEAST_TO_COMPRESS else data
        if len(packed) >= size:
            packed, size = data, 0
        return self._header(len(packed), size) + packed

    def _header(self, size: int, plain: int) -> bytes:
        """Make the next packet's header; plain: its size before compression, 0: it is not compressed."""
        sequence = self._next & 0xFF
        self._next += 1
        return size.to_bytes(3, "little") + bytes((sequence,)) + plain.to_bytes(3, "little")


class _LongPacket:
    """A plain packet on its way into two compressed ones; left: how many of its bytes are still to come."""

    __slots__ = ("_packed", "_plain", "_size", "_stream", "left")

    def __init__(self, size: int, stream: _Deflater) -> None:
        self.left = size
        self._stream: _Deflater | None = stream  # None: the rest goes as it is
        self._packed: list[bytes] = []
        self._size = 0  # of what is compressed
        self._plain = 0  # the same before compression

    def take(self, data: bytes) -> Iterator[tuple[int, int, list[bytes]]]:
        """Take more of it; yield compressed packets: size, size before compression, pieces; or more of one (size 0)."""
        self.left -= len(data)
        if self._stream is None:
            yield 0, 0, [data]
            return
        room = MAX_PAYLOAD - self._plain  # which a packet's header and the largest payload exceed
        first, rest = data[:room], data[room:]
        self._add(self._stream.compress(first))
        self._plain += len(first)
        if self._size < _KEPT and self.left and not rest:
            return
        self._add(self._stream.flush())
        self._stream = None
        yield self._size, self._plain, self._packed
        self._packed = []
        if self.left or rest:
            yield len(rest) + self.left, 0, [rest]

    def _add(self, packed: bytes) -> None:
        self._packed.append(packed)
        self._size += len(packed)


def _size_at(data: bytes, position: int) -> int:
    """Return the size of the packet that begins there, with its header; as far as is known."""
    if len(data) < position + HEADER:
        return HEADER
    return HEADER + int.from_bytes(data[position : position + 3], "little")
