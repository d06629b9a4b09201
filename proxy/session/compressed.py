"""The command phase of a session that is compressed on one side or both, each with an algorithm of its own."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from proxy.config import CompressionAlgorithm
from proxy.session.command_phase import CommandPhase
from proxy.session.login_phase import Agreed
from proxy.session.settings import SessionSettings, Wires
from proxy.wire.compression import ZLIB_LEVEL, ZSTD_LEVEL, CompressedReader, CompressedWriter
from proxy.wire.sequence import Sequencer

_HARDEST: Final = 9
"""The level of zstd beyond which a client's wish is not followed: a long packet takes 14 MiB with it, 709 with 22."""


@dataclass(frozen=True, slots=True)
class Side:
    """One side's way of reading and writing."""

    read: Callable[[bytes], Iterator[bytes]]
    write: Callable[[bytes], bytes]

    @classmethod
    def make(cls, algorithm: CompressionAlgorithm | None, level: int, *, commands: bool) -> "Side":
        """Make a side.

        Args:
            algorithm: what it compresses with.
            level: how hard it wants zstd to compress; 0: MySQL's default.
            commands: what is written to it are commands.
        """
        if algorithm is None:
            return cls._plain(commands)
        reader = CompressedReader(algorithm)
        hard = min(level or ZSTD_LEVEL, _HARDEST) if algorithm is CompressionAlgorithm.ZSTD else ZLIB_LEVEL
        return cls(reader.read, CompressedWriter(algorithm, hard, reader, commands).write)

    @classmethod
    def _plain(cls, commands: bool) -> "Side":
        """Make a side that is not compressed: it checks the sequence ids, which the other one does not keep."""
        sequencer = Sequencer(commands=commands)

        def read(data: bytes) -> Iterator[bytes]:
            sequencer.received(data)
            yield data

        return cls(read, sequencer.renumbered)


_ENDED: Final = Side(lambda _: iter(()), lambda _: b"")


class CompressedPhase:
    """A `CommandPhase` between two sides, of which at least one is compressed; the same to its session."""

    __slots__ = ("_backend", "_client", "_phase", "_relaying", "_wires")

    def __init__(self, wires: Wires, settings: SessionSettings, agreed: Agreed) -> None:
        self._wires = wires
        self._client = Side.make(agreed.client_compression, agreed.client_level, commands=False)
        self._backend = Side.make(agreed.backend_compression, 0, commands=True)
        self._relaying = False
        self._phase = CommandPhase(self, settings, agreed, self._relay_plain)

    @property
    def idle(self) -> bool:
        """Whether no reply is due and nothing of the client's waits."""
        return self._phase.idle

    @property
    def at_rest(self) -> bool:
        """Whether no reply is due and no transaction is open."""
        return self._phase.at_rest

    @property
    def answered(self) -> bool:
        """Whether the backend waits for the client."""
        return self._phase.answered

    @property
    def user(self) -> str:
        """Who is logged in."""
        return self._phase.user

    @property
    def commands(self) -> int:
        """How many commands the client has sent."""
        return self._phase.commands

    @property
    def conflicts(self) -> int:
        """How many of them, and of their rows, met a conflict."""
        return self._phase.conflicts

    @property
    def lost(self) -> str:
        """Why the replies could not be followed any more; empty while they can."""
        return self._phase.lost

    @property
    def quitting(self) -> bool:
        """Whether the client has sent COM_QUIT."""
        return self._phase.quitting

    def end(self) -> None:
        """Do nothing any more, whatever is still called back."""
        self._phase.end()
        # What compresses takes up to 14 MiB, and the other connection may take its time to close.
        self._client = self._backend = _ENDED

    def let_go(self) -> None:
        """Let go of what refers to this in turn: nothing is asked or told any more."""
        self._phase.let_go()
        del self._phase

    def client_data(self, data: bytes) -> None:
        """Take bytes that the client sent.

        Raises:
            ProtocolError: they are not of the protocol.
        """
        for plain in self._client.read(data):
            self._phase.client_data(plain)

    def tell(self, error: bytes) -> None:
        """Do nothing: compressed packets are numbered on, and the number of the client's next one is not known."""

    def quit(self) -> None:
        """Take leave of the backend in the client's place."""
        self._phase.quit()

    def client_ended(self) -> None:
        """Pass on what was kept of a packet that will never be whole."""
        self._phase.client_ended()

    def backend_ended(self) -> None:
        """Pass on what has come of a packet that will never be whole."""
        self._phase.backend_ended()

    def backend_data(self, data: bytes) -> None:
        """Take bytes that the backend sent.

        Raises:
            ProtocolError: they are not of the protocol.
        """
        for plain in self._backend.read(data):
            if self._relaying:
                self.to_client(plain)
            else:
                self._phase.backend_data(plain)

    def _relay_plain(self) -> None:
        """Look at nothing from here on, but go on compressing: the two sides may do it differently."""
        self._relaying = True

    # The wires of the phase within.

    def to_client(self, data: bytes) -> None:
        """Send plain bytes to the client, once a packet is whole."""
        if packed := self._client.write(data):
            self._wires.to_client(packed)

    def to_backend(self, data: bytes) -> None:
        """Send plain bytes to the backend."""
        self._wires.to_backend(self._backend.write(data))

    def start_client_tls(self) -> None:
        """Begin the TLS handshake with the client."""
        self._wires.start_client_tls()

    def start_backend_tls(self) -> None:
        """Begin the TLS handshake with the backend."""
        self._wires.start_backend_tls()

    def login_done(self) -> None:
        """End the login's time limit, and read bytes in bulk."""
        self._wires.login_done()

    def hold_client(self) -> None:
        """Stop reading from the client."""
        self._wires.hold_client()

    def release_client(self) -> None:
        """Read from the client again."""
        self._wires.release_client()

    def soon(self, callback: Callable[[], object]) -> None:
        """Call back once what has been written is on its way."""
        self._wires.soon(callback)

    def close(self) -> None:
        """Send what waits in both directions, then close both connections."""
        self._wires.close()
