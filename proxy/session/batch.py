"""Multi-statement texts: each INSERT in them for itself.

The server answers such a text with one result for each statement, up to the first error, which ends all. A rule's
statement stands in the text in place of the client's own (`when: always`), or follows one that has failed, with all
that is behind it, for that did not run. What came before stays the client's, who reads both replies as one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Final

from proxy.rules.plan import Plan
from proxy.rules.rule import Rule
from proxy.session.command import Command, Stage
from proxy.session.decision import PAUSE, Pause
from proxy.session.statement import Statement
from proxy.session.status import is_alone
from proxy.sql.head import Head, heads_behind
from proxy.sql.recognition import SMALL
from proxy.sql.span import Span
from proxy.sql.split import LIMIT, Splitting
from proxy.sql.statement import Skip
from proxy.wire.framing import frame_pieces
from proxy.wire.sequence import Shift

_TURN: Final = 64
"""Statements that are looked at in one turn, if they are no longer than what is read at once: that takes about 1 ms."""
_LOOKED_AT: Final = 1024
"""Statements of a text that are looked at before it is split."""


def may_be_several(text: bytes) -> bool:
    """Tell whether a text may hold several statements, and is short enough to be split."""
    return len(text) <= LIMIT and text.find(b";", 0, len(text.rstrip(b"; \t\r\n"))) >= 0


def may_hold(text: bytes, is_ruled: Callable[[Head], bool]) -> bool:
    """Tell whether a text may hold an INSERT that rules are for behind another statement."""
    return any(number == _LOOKED_AT or is_ruled(found) for number, found in enumerate(heads_behind(text)))


def first_ruled(text: bytes, is_ruled: Callable[[Head], bool]) -> Head | None:
    """Give the head of the first such INSERT, if there seems to be one."""
    return next(filter(is_ruled, islice(heads_behind(text), _LOOKED_AT)), None)


@dataclass(slots=True)
class Part:
    """One statement of a text.

    Args:
        span: where it is.
        statement: it, if it is an INSERT.
        stage: which statement is sent in the first place.
        plan: the rule's, if that is it.
        skipped: the rule that has left it alone.
    """

    span: Span
    statement: Statement | None = None
    stage: Stage = Stage.PLAIN
    plan: Plan | None = None
    skipped: Rule | None = None


class Batch:
    """A multi-statement text under way.

    Args:
        whole: the text.
        insert_of: gives the INSERT that one of its statements is; None: it is none that rules are for.
        first_text: decides what is sent for an INSERT in the first place, and tells the command.

    Attributes:
        shift: raises the sequence ids of the packets of its replies.
    """

    __slots__ = (
        "_at",
        "_first_text",
        "_insert_of",
        "_parts",
        "_spans",
        "_splitting",
        "_start",
        "_undecided",
        "shift",
        "whole",
    )

    def __init__(
        self,
        whole: Statement,
        insert_of: Callable[[bytes], Statement | None],
        first_text: Callable[[Command, Statement], bytes | Pause],
    ) -> None:
        self.whole = whole
        self._insert_of = insert_of
        self._first_text = first_text
        self._splitting = Splitting(whole.text, whole.lexing)
        self._spans: tuple[Span, ...] = ()
        self._parts: list[Part] = []
        self._undecided: Part | None = None  # it is large, and being read
        self._at = 0  # the statement whose result comes next
        self._start = 1  # the id of that result's first packet, as the server counts
        self.shift = Shift()

    @property
    def answer_id(self) -> int:
        """The sequence id of the first packet of the result that comes next, as the client counts."""
        return self._start + self.shift.by

    @property
    def text(self) -> bytes:
        """The statement whose result comes next."""
        span = self._part.span
        return self.whole.text[span.start : span.end]

    # ----------------------------------------------------------------------------------------------------------------
    # What is sent

    def read_on(self, command: Command) -> bytes | Skip | Pause | None:
        """Read on for a turn, to decide what is sent in the first place.

        Returns:
            The text for the first statement; or that another turn is needed; or why the statements cannot be told
            apart; None: there is only one.
        """
        if not self._spans:
            found = self._splitting.step()
            if found is None:
                return PAUSE
            if isinstance(found, Skip):
                return found
            self._spans = found
        if len(self._spans) == 1:
            return None
        if not self._decide(command):
            return PAUSE
        self._turn(command, alone=command.alone)
        return self._written(self._part)

    def packets(self, text: bytes) -> bytes:
        """Frame a text for the statement whose result comes next, with all that is behind it."""
        whole, pieces = self.whole, [self.whole.prefix, text]
        end = self._part.span.end
        for part in self._parts[self._at + 1 :]:
            pieces += [whole.text[end : part.span.start], self._written(part)]
            end = part.span.end
        return frame_pieces((*pieces, whole.text[end:]), 0)

    def _decide(self, command: Command) -> bool:
        """Decide what is sent for as many statements as one turn has time for; tell whether that were all."""
        size = 0
        for _ in range(_TURN):
            if len(self._parts) == len(self._spans):
                return True
            if size > SMALL:
                break
            part = self._undecided or self._read(self._spans[len(self._parts)])
            if part.statement is not None:
                command.plan = command.skipped = None
                if isinstance(self._first_text(command, part.statement), Pause):
                    self._undecided = part
                    return False
                part.stage, part.plan, part.skipped = command.stage, command.plan, command.skipped
            self._undecided = None
            self._parts.append(part)
            size += part.span.end - part.span.start
        return len(self._parts) == len(self._spans)

    def _read(self, span: Span) -> Part:
        return Part(span, self._insert_of(self.whole.text[span.start : span.end]))

    def _written(self, part: Part) -> bytes:
        return self.whole.text[part.span.start : part.span.end] if part.plan is None else part.plan.statement

    # ----------------------------------------------------------------------------------------------------------------
    # What is answered

    def join(self, first: int) -> None:
        """Have the reply to what is sent go on from what the client has got.

        Args:
            first: the id of its first packet, as the server counts.
        """
        self.shift.by += self._start - first
        self._start = first

    def next(self, command: Command, sequence: int, status: int) -> None:
        """Turn to the next statement.

        Args:
            command: it.
            sequence: the id of the last packet of this one's result, as the server counts.
            status: the status flags that it tells.
        """
        self._at += 1
        self._start = sequence + 1
        self._turn(command, alone=is_alone(status))

    def _turn(self, command: Command, *, alone: bool) -> None:
        part = self._part
        command.turn(part.statement, part.stage, part.plan, part.skipped, alone=alone)

    @property
    def _part(self) -> Part:
        """The statement whose result comes next; of a result that none is there for, nothing is known."""
        return self._parts[self._at] if self._at < len(self._parts) else _NOTHING


_NOTHING: Final = Part(Span(0, 0))
