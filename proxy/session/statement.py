"""One INSERT that rules are for, as its session has it."""

from dataclasses import dataclass, field

from proxy.rules.plan import Plan
from proxy.rules.rule import Rule
from proxy.rules.table import Table
from proxy.sql.head import Head
from proxy.sql.insert import Insert, Skip
from proxy.sql.lexing import Lexing
from proxy.sql.recognition import Recognition
from proxy.wire.framing import frame_pieces


@dataclass(slots=True)
class Statement:
    """It is whole; of a prepared one, all executions share it.

    Args:
        prefix: the payload up to the text: the command's first byte and, of a COM_QUERY, its query attributes.
        text: the text.
        head: what its start says.
        schema: the session's default schema at the time.
        candidates: the rules for its table and user.
        lexing: how the server reads it.
        returning: the reply may begin before the server has met a duplicate.
        definite: the table is the one that a look-up finds, and not a temporary one of the session's own.
        recognition: reads it, step by step, if it is large.
        insert: what it was recognised as, once it was looked at.
        plans: what the rules do to it, by the rules' names, once they were asked; and the table's definition by then.
    """

    prefix: bytes
    text: bytes
    head: Head
    schema: str | None
    candidates: tuple[Rule, ...]
    lexing: Lexing
    definite: bool
    returning: bool
    recognition: Recognition | None = None
    insert: Insert | Skip | None = None
    plans: dict[str, tuple[Table | None, Plan | Skip]] = field(default_factory=dict)

    def packets(self, text: bytes) -> bytes:
        """Frame another text as the command that stands for this one."""
        return frame_pieces((self.prefix, text), 0)
