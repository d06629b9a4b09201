"""One command of the client's, from the moment it is read until its reply has ended."""

from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from proxy.conflicts.attempt import Attempt
from proxy.conflicts.conflict import Finding, Met
from proxy.rules.plan import Plan
from proxy.rules.rule import Rule
from proxy.session.prepared_insert import PreparedInsert
from proxy.session.statement import Statement
from proxy.sql.reason import Reason
from proxy.wire import commands
from proxy.wire.execute import Execution
from proxy.wire.framing import HEADER

if TYPE_CHECKING:
    from proxy.session.batch import Batch

HEAD: Final = 1024
"""How many bytes of a command are looked at to tell what it is."""


class Stage(Enum):
    """Which statement the backend is working on for this command."""

    UNSENT = auto()  # none yet: it is being read
    PLAIN = auto()  # the client's own, and nothing will follow
    WATCHED = auto()  # the client's own; a rule may answer a conflict with a second one
    REWRITTEN = auto()  # the rule's, in the first place
    ORIGINAL = auto()  # the client's own, after the rule's was refused
    SECOND = auto()  # the rule's, after a conflict

    @property
    def is_rules(self) -> bool:
        """Whether it is a rule's statement, and not the client's own."""
        return self in (Stage.REWRITTEN, Stage.SECOND)


class Conflicted:
    """A conflict, from the moment it is met until it is recorded.

    Attributes:
        payload: the server's ERR; b"" if it has told none.
        met: what is in conflict.
        at: when it was met, in seconds of the monotonic clock.
        attempt: the statement that has met it.
        finding: what was found out about it, once it was judged.
    """

    __slots__ = ("at", "attempt", "finding", "met", "payload")

    def __init__(self, payload: bytes, met: Met, at: float, attempt: Attempt) -> None:
        self.payload = payload
        self.met = met
        self.at = at
        self.attempt = attempt
        self.finding: Finding | None = None


class Command:
    """A command in flight.

    Attributes:
        code: its first byte.
        chunk, offset: bytes that hold the payload's beginning, and where it begins; behind a header all of it is here.
        started: when it was read.
        verb: of a text that may change how later ones read: ``set``, ``use``, ``call``, ``execute``, or ``hidden``.
        ddl: it may change the definition of tables.
        stage: which statement the backend is working on.
        statement: the INSERT, if rules are for it.
        execution, prepared: how it is run, if it is a prepared one.
        blocked: why no rule's text can be run in its place just now.
        plan: what the rule in charge does.
        alone: no transaction is open, and the statement will be one of its own.
        retries: how often its statement was sent again after a deadlock.
        skipped: the rule that has left its statement alone, which is counted once.
        rule_error: the error that its statement met in the first place, if it may be the rule's doing.
        conflicted: the conflict that the plan is to resolve.
        batch: the text of several statements that it is; what is said of a statement is said of the one whose result
            comes next.
        infile: the server has asked for a file of the client's.
        unseen: why it is not known which statement of it the server is at.
        error_id: the sequence id under which the client gets the error that its statement has met.
    """

    __slots__ = (
        "alone",
        "batch",
        "blocked",
        "chunk",
        "code",
        "conflicted",
        "ddl",
        "error_id",
        "execution",
        "infile",
        "offset",
        "plan",
        "prepared",
        "retries",
        "rule_error",
        "skipped",
        "stage",
        "started",
        "statement",
        "unseen",
        "verb",
    )

    def __init__(self, code: int, chunk: bytes, offset: int, started: float) -> None:
        self.code = code
        self.chunk = chunk
        self.offset = offset
        self.started = started
        self.verb = ""
        self.ddl = False
        self.stage = Stage.PLAIN
        self.statement: Statement | None = None
        self.execution: Execution | None = None
        self.prepared: PreparedInsert | None = None
        self.blocked: Reason | None = None
        self.plan: Plan | None = None
        self.alone = False
        self.retries = 0
        self.rule_error = 0
        self.skipped: Rule | None = None
        self.conflicted: Conflicted | None = None
        self.batch: Batch | None = None
        self.infile = False
        self.unseen: Reason | None = None
        self.error_id = 1

    @property
    def start(self) -> bytes:
        """The payload's first bytes, for what must be looked at later; all of it where it is short."""
        return self.chunk[self.offset : self.offset + HEAD]

    @property
    def whole(self) -> bool:
        """Whether the payload is all here."""
        return self.offset > 0

    @property
    def payload(self) -> bytes:
        """The payload, or its beginning if it is not all here."""
        return self.chunk[self.offset :]

    def keep(self, packet: bytes) -> None:
        """Keep all of it."""
        self.chunk = packet
        self.offset = HEADER

    @property
    def protocol(self) -> str:
        """How its statement is sent: ``text`` or ``prepared``."""
        return "text" if self.code == commands.QUERY else "prepared"

    def turn(
        self, statement: Statement | None, stage: Stage, plan: Plan | None, skipped: Rule | None, *, alone: bool
    ) -> None:
        """Turn to another statement of the same text."""
        self.statement = statement
        self.stage = stage
        self.plan = plan
        self.alone = alone
        self.blocked = None
        self.retries = 0
        self.rule_error = 0
        self.skipped = skipped
        self.conflicted = None

    def block(self, reason: Reason) -> None:
        """Let no other statement follow this one."""
        self.blocked = reason
        self.alone = False

    @property
    def answer_id(self) -> int:
        """The sequence id of the first packet of the answer to its statement."""
        return 1 if self.batch is None else self.batch.answer_id

    @property
    def is_followed(self) -> bool:
        """Whether its reply may be one that the client must not see as it is."""
        return self.stage is not Stage.PLAIN or self.batch is not None

    @property
    def is_repeatable(self) -> bool:
        """Whether its statement may run again after it was rolled back: nothing else was, and all of it is here."""
        if not self.alone or self.prepared is None:
            return self.alone
        return self.execution is not None and self.prepared.long_data.complete
