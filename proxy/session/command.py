"""One command of the client's, from the moment it is read until its reply has ended."""

from dataclasses import dataclass
from enum import Enum, auto

from proxy.conflicts.message import Duplicate
from proxy.rules.plan import Plan
from proxy.rules.rule import Rule
from proxy.sql.head import Head
from proxy.sql.insert import Insert, Skip
from proxy.sql.lexing import Lexing
from proxy.wire import commands
from proxy.wire.framing import frame


class Stage(Enum):
    """Which statement the backend is working on for this command."""

    PLAIN = auto()  # the client's own, and nothing will follow
    WATCHED = auto()  # the client's own; a rule may answer a conflict with a second one
    REWRITTEN = auto()  # the rule's, in the first place
    ORIGINAL = auto()  # the client's own, after the rule's was refused
    SECOND = auto()  # the rule's, after a conflict

    @property
    def is_rules(self) -> bool:
        """Whether it is a rule's statement, and not the client's own."""
        return self in (Stage.REWRITTEN, Stage.SECOND)


@dataclass(frozen=True, slots=True)
class Conflicted:
    """The conflict that a second statement is to resolve: the server's ERR payload, what it says, and when it came."""

    payload: bytes
    number: int
    duplicate: Duplicate
    at: float


@dataclass(slots=True)
class Statement:
    """An INSERT that rules are for, whole.

    Args:
        prefix: the COM_QUERY payload up to the text: the command's byte and its query attributes.
        text: the text.
        head: what its start says.
        schema: the schema of its table: its own, or the session's at the time.
        candidates: the rules for its table and user.
        lexing: how the server reads it.
    """

    prefix: bytes
    text: bytes
    head: Head
    schema: str | None
    candidates: tuple[Rule, ...]
    lexing: Lexing
    insert: Insert | Skip | None = None
    plan: Plan | None = None
    conflicted: Conflicted | None = None

    def packets(self, text: bytes) -> bytes:
        """Frame another text as the command that stands for this one."""
        return frame(self.prefix + text, 0)


class Command:
    """A command in flight.

    Attributes:
        code: its first byte.
        start: the payload's first bytes (all of it where it is short), for what must be looked at later.
        started: when it was read.
        verb: of a text that may change how later ones read: ``set``, ``use``, ``call``, ``execute``; else empty.
        stage, statement: where a rule may have a say.
    """

    __slots__ = ("code", "stage", "start", "started", "statement", "verb")

    def __init__(self, code: int, start: bytes, started: float) -> None:
        self.code = code
        self.start = start
        self.started = started
        self.verb = ""
        self.stage = Stage.PLAIN
        self.statement: Statement | None = None

    @property
    def is_text(self) -> bool:
        """Whether it carries a statement's text to be executed."""
        return self.code == commands.QUERY
