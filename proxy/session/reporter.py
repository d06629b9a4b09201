"""Conflicts, as they are made known: what each was, and what became of it."""

from functools import partial
from typing import Final, NamedTuple

from proxy.conflicts.conflict import Conflict, Finding, Met, Outcome
from proxy.conflicts.message import ER_DUP_ENTRY, UNKNOWN, Duplicate, parse
from proxy.rules.plan import Plan
from proxy.rules.rule import Action, Rule
from proxy.session.command import Command, Conflicted
from proxy.session.settings import SessionSettings, Wires
from proxy.session.statement import Statement
from proxy.session.tally import Tally, skipped_of
from proxy.session.trail import Trail
from proxy.sql.head import Head
from proxy.wire.answers import Err, Ok, info

_OUTCOME_OF_UPDATED: Final = {Action.REPLACE: Outcome.REPLACED}


class Who(NamedTuple):
    """Whose session it is."""

    thread_id: int
    user: str
    client: str


class Reporter:
    """Records the conflicts of one session, each once.

    Args:
        wires: call back when what has been sent is on its way.
        settings: the session's settings.
        who: whose session it is.
        trail: says what is known of a command that has met a conflict.
        mariadb: the server is MariaDB, whose errors name no table.

    Attributes:
        who: see above; the user may change.
        count: how many conflicts the session has met, prevented ones among them.
    """

    __slots__ = ("_mariadb", "_settings", "_trail", "_wires", "count", "who")

    def __init__(self, wires: Wires, settings: SessionSettings, who: Who, trail: Trail, *, mariadb: bool) -> None:
        self._wires = wires
        self._settings = settings
        self._trail = trail
        self._mariadb = mariadb
        self.who = who
        self.count = 0

    def changed_user(self, user: str) -> None:
        """Go on for another user of the same session."""
        self.who = self.who._replace(user=user)

    def conflicted(self, command: Command, payload: bytes, error: Err, head: Head, schema: str | None) -> Conflicted:
        """Make a conflict of the error that a command was answered with.

        Args:
            command: it.
            payload: the ERR packet's payload.
            error: what that says.
            head: what the start of the command's statement says.
            schema: the default schema.
        """
        duplicate = parse(error.number, error.message, self._mariadb, head.table)
        return self._met(command, payload, error.number, duplicate, head, schema)

    def judge_meanwhile(self, conflicted: Conflicted) -> None:
        """Have a conflict judged while the backend is at work on what is sent now: nobody waits for that then."""
        if conflicted.finding is None:
            self._wires.soon(partial(self._judged, conflicted))

    def record(
        self,
        conflicted: Conflicted,
        outcome: Outcome,
        rule: Rule | None,
        *,
        latency: float | None = None,
        count: int = 1,
    ) -> None:
        """Record a conflict, once those who wait for the answer have it.

        Args:
            conflicted: it.
            outcome: what became of it.
            rule: that was for it.
            latency: seconds that a rule's statement took to resolve it.
            count: how many conflicts of the same kind it stands for.
        """
        self.count += count
        self._wires.soon(partial(self._record, conflicted, outcome, rule, latency, count))

    def _record(
        self, conflicted: Conflicted, outcome: Outcome, rule: Rule | None, latency: float | None, count: int
    ) -> None:
        settings = self._settings
        finding = conflicted.finding or self._judged(conflicted)
        if outcome is Outcome.INSERTED:
            settings.recorder.insertions.came_in(conflicted.attempt)
        at, name = settings.wall_clock(), rule.name if rule else None
        settings.recorder.record(Conflict(at, *self.who, conflicted.met, outcome, name, latency, count, finding))

    def broken_off(self, conflicted: Conflicted, rule: Rule | None) -> None:
        """Record a conflict of a session that has ended before it was over.

        A rule's statement that was sent for it has most likely done what it was to do: the same INSERT is a retry then.
        """
        self.count += 1
        self._record(conflicted, Outcome.UNKNOWN, rule, None, 1)
        if rule is not None:
            self._settings.recorder.insertions.came_in(conflicted.attempt)

    def _judged(self, conflicted: Conflicted) -> Finding:
        """Give what was found out about a conflict, which is judged if it was not yet."""
        finding = conflicted.finding
        if finding is None:
            recorder, now = self._settings.recorder, self._settings.wall_clock()
            conflicted.finding = finding = recorder.judge(conflicted.met, conflicted.attempt, now)
        return finding

    def loaded(self, command: Command, payload: bytes, ok: Ok, head: Head, schema: str | None) -> None:
        """Take the OK of a LOAD DATA LOCAL, which meets no duplicate: it skips the rows, whatever the rules say."""
        skipped = skipped_of(info(payload, ok))
        if not skipped:
            return
        rule = command.plan.rule if command.plan is not None and command.stage.is_rules else None
        conflicted = self._untold(command, UNKNOWN, head, schema)
        self.record(conflicted, Outcome.KEPT, rule, count=skipped)

    def take_back(self, command: Command, head: Head) -> None:
        """Take back that an INSERT was sent: it has not come in, and what comes after it is no retry."""
        if head.verb == "insert":
            self._settings.recorder.insertions.failed(self._trail.attempt(command, head.table))

    def _untold(self, command: Command, key: str, head: Head, schema: str | None) -> Conflicted:
        """Make a conflict that the server has told no error of."""
        return self._met(command, b"", ER_DUP_ENTRY, Duplicate(None, head.table, key), head, schema)

    def _met(
        self, command: Command, payload: bytes, number: int, duplicate: Duplicate, head: Head, schema: str | None
    ) -> Conflicted:
        # MariaDB names no table; the statement's own is it, unless a trigger or a procedure met the conflict
        table = head.table if duplicate.table is None else duplicate.table
        met = Met(head.schema or schema, table, duplicate.key, duplicate.entry, head.verb, number)
        return Conflicted(payload, met, self._settings.clock(), self._trail.attempt(command, head.table))

    # ----------------------------------------------------------------------------------------------------------------
    # Where a rule's statement was run

    def resolved(self, conflicted: Conflicted, made: Plan, tally: Tally | None) -> None:
        """Record what a second statement made of the conflict, and of those of the same statement behind it."""
        latency = self._settings.clock() - conflicted.at
        self._settings.counters.resolution_durations.observe(latency)
        outcomes = [(Outcome.UNKNOWN, 1)] if tally is None else _outcomes(made, tally) or [(Outcome.INSERTED, 1)]
        for outcome, count in outcomes:
            self.record(conflicted, outcome, made.rule, latency=latency, count=count)

    def prevented(self, command: Command, statement: Statement, made: Plan, tally: Tally) -> None:
        """Record the conflicts that a rewritten statement did not run into."""
        outcomes = _outcomes(made, tally)
        if not outcomes:
            return
        key = made.rule.keys[0] if len(made.rule.keys) == 1 else UNKNOWN
        conflicted = self._untold(command, key, statement.head, statement.schema)
        for outcome, count in outcomes:
            self.record(conflicted, outcome, made.rule, count=count)


def _outcomes(made: Plan, tally: Tally) -> list[tuple[Outcome, int]]:
    """Say what a rule's statement has made of how many conflicts."""
    updated = _OUTCOME_OF_UPDATED.get(made.rule.action, Outcome.UPDATED)
    return [found for found in ((updated, tally.updated), (Outcome.KEPT, tally.kept)) if found[1]]
