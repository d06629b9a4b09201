"""Prepared INSERTs that rules are for.

The client's statement id always stands for the client's own text. A rule's text is prepared beside it under an id of
its own, when it is first needed, and run with the parameters that the client has sent: their values in the EXECUTE
itself, their types as they were sent last, and what came by SEND_LONG_DATA. Both ids end together.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from proxy.session.statement import Statement
from proxy.sql.reason import Reason
from proxy.wire import commands
from proxy.wire.execute import Execution, with_statement
from proxy.wire.framing import frame


@dataclass(slots=True)
class LongData:
    """The SEND_LONG_DATA commands since the last EXECUTE, as far as a bound allows.

    Args:
        limit: bytes that may be kept in all.
    """

    limit: int
    payloads: list[bytes] = field(default_factory=list)
    size: int = 0
    complete: bool = True

    def takes(self, length: int) -> bool:
        """Tell whether so many bytes more may be kept."""
        return self.complete and self.size + length <= self.limit

    def add(self, payload: bytes) -> None:
        """Keep a command."""
        self.payloads.append(payload)
        self.size += len(payload)

    def clear(self) -> None:
        """Forget everything, as the server does after an EXECUTE or a RESET."""
        self.payloads = []
        self.size = 0
        self.complete = True


@dataclass(slots=True)
class PreparedInsert:
    """One prepared INSERT that rules are for.

    Args:
        statement: the client's text, with the rules that were in force when it was prepared.
        number: the client's id for it.
        parameters: how many it has.
        always: a rule's text is run in the first place: long data is kept back until it is known where it goes.
        version: the version of the session's variables under which its text was read.
        long_data: what was sent ahead of the next EXECUTE.
        types: the parameters' types that were sent last; None: they are not known.
        typed: how many parameters they are for, query attributes included.
        beside: the ids of the rules' texts that were prepared for it.
    """

    statement: Statement
    number: int
    parameters: int
    always: bool
    version: int
    long_data: LongData
    types: bytes | None = None
    typed: int = 0
    beside: dict[bytes, int] = field(default_factory=dict)

    def learn_types(self, execution: Execution) -> None:
        """Take note of the types that an execution brings, as the server does, whatever comes of it."""
        if execution.types is not None:
            self.types = execution.types
            self.typed = execution.parameters

    def blocked(self, execution: Execution, version: int) -> Reason | None:
        """Tell what keeps a rule's text from being run for an execution, at this version of the session."""
        if self.version != version:
            return Reason.SESSION_CHANGED
        if not self.long_data.complete:
            return Reason.LONG_DATA
        return Reason.PARAMETERS if self.types is None or self.typed != execution.parameters else None

    def number_of(self, text: bytes) -> int | None:
        """Return the id under which a text is prepared; None while it is not."""
        return self.number if text is self.statement.text else self.beside.get(text)

    def closes(self) -> bytes:
        """Frame the commands that close what was prepared beside the client's statement."""
        code = bytes((commands.STMT_CLOSE,))
        return b"".join(frame(code + number.to_bytes(4, "little"), 0) for number in self.beside.values())

    def overflow(self) -> bytes:
        """Keep no more long data until the next EXECUTE; frame what was kept back from the client's statement."""
        kept = b"".join(self._kept_for(self.number)) if self.always else b""
        self.long_data.complete = False
        self.long_data.payloads = []
        return kept

    def packets(self, execution: Execution, number: int) -> bytes:
        """Frame the commands that run the statement of this id with an execution's parameters."""
        return b"".join((*self._kept_for(number), frame(execution.on(number, self.types or b""), 0)))

    def _kept_for(self, number: int) -> Iterator[bytes]:
        return (frame(with_statement(payload, number), 0) for payload in self.long_data.payloads)
