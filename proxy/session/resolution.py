"""Decides what becomes of an INSERT that rules are for, and of every conflict.

The stages of a statement, and what moves it from one to the next::

    WATCHED ───1062 on a key of a rule──────────────► SECOND ──OK────────────────► the client: OK
       ▲                                                 ├─────the guard's 1690──► the client: the 1062
       │                                                 └─────another error─────► the client: the 1062, or that error
    (when: conflict)
    (when: always)
       ▼
    REWRITTEN ──OK──► the client: OK
       └────the guard's 1690, or an error that changed nothing──► ORIGINAL ──► the client: its reply, as if WATCHED

Every conflict is recorded once, with what became of it.
"""

import re
from typing import Final

from proxy.conflicts.conflict import Outcome
from proxy.conflicts.message import ER_DUP_ENTRY, ER_DUP_ENTRY_WITH_KEY_NAME, is_duplicate
from proxy.rules.match import rule_for_conflict, rule_for_insert
from proxy.rules.plan import MARKER, Plan
from proxy.rules.rule import Action, AffectedRows, Rule, When
from proxy.session.command import Command, Conflicted, Stage
from proxy.session.decision import Pause, Send, Wait
from proxy.session.planner import Planner
from proxy.session.reporter import Reporter
from proxy.session.settings import SessionSettings
from proxy.session.statement import Statement
from proxy.session.tally import Tally, rows_of, tally_replace, tally_upsert
from proxy.sql.form import Form
from proxy.sql.head import OFFERING, Head
from proxy.sql.insert import Insert
from proxy.sql.names import same_name
from proxy.sql.reason import Reason
from proxy.wire import commands
from proxy.wire.answers import Err, Ok, info, parse_err, with_affected_rows
from proxy.wire.errors import ProtocolError

ER_LOCK_DEADLOCK: Final = 1213
ER_DATA_OUT_OF_RANGE: Final = 1690
_RETRIES: Final = 10
"""How often a statement is sent again after a deadlock outside of any transaction."""
_MARKER: Final = b"%d" % MARKER
_RESOLVABLE: Final = frozenset({ER_DUP_ENTRY, ER_DUP_ENTRY_WITH_KEY_NAME})

# Errors raised while the server resolves a statement, before it touches a row: nothing has changed.
#   1052 ambiguous column, 1054 unknown column, 1064 syntax, 1066 table named twice, 1093 table updated and read,
#   1142 and 1143 privileges on table and column, 1241 operand columns, 1305 unknown function, 1348 column not
#   updatable, 1370 privilege on a routine, 1471 table not insertable, 3105 generated column.
_CHANGED_NOTHING: Final = frozenset({1052, 1054, 1064, 1066, 1093, 1142, 1143, 1241, 1305, 1348, 1370, 1471, 3105})

# The largest values of the integer types. MySQL reports an exhausted AUTO_INCREMENT as a duplicate of one of them;
# the row that has it is nobody's offered row.
_EXHAUSTED: Final = frozenset(
    str((1 << bits) - 1) for bits in (7, 8, 15, 16, 23, 24, 31, 32, 63, 64)
)  # fmt: skip

_HIDING: Final = frozenset({"call", "execute"})


class Resolver:
    """Carries out the rules for one session.

    Args:
        settings: the session's settings.
        planner: makes the rules' statements.
        reporter: records the conflicts.
        found_rows: whether the session negotiated CLIENT_FOUND_ROWS, which changes what affected rows mean.
    """

    __slots__ = ("_clock", "_counters", "_found_rows", "_planner", "_reporter", "_rules", "_trips")

    def __init__(self, settings: SessionSettings, planner: Planner, reporter: Reporter, *, found_rows: bool) -> None:
        self._rules = settings.rules
        self._counters = settings.counters
        self._trips = settings.trips
        self._clock = settings.clock
        self._planner = planner
        self._reporter = reporter
        self._found_rows = found_rows

    def candidates(self, head: Head, schema: str | None) -> tuple[Rule, ...]:
        """Give the rules for a statement that begins so, in a session with this default schema."""
        if head.verb not in OFFERING or head.table is None:
            return ()
        return self._rules().candidates(head.schema or schema, head.table, self._reporter.who.user)

    def watch(self, command: Command, statement: Statement) -> None:
        """Let a rule answer a conflict that a statement meets which is sent as it came."""
        command.statement = statement
        command.stage = Stage.WATCHED

    def foresee(self, statement: Statement) -> None:
        """Make the statement of the rule that most likely answers a conflict, before there is one."""
        rule = next(filter(_acts, statement.candidates), None)
        table = self._planner.definition(statement)
        if rule is not None and not isinstance(table, Wait):
            self._planner.make(statement, rule, table)

    def first_text(self, command: Command, statement: Statement) -> bytes | Pause:
        """Give the text that is sent in the first place: the client's own, or a rule's with ``when: always``."""
        self.watch(command, statement)
        rule = rule_for_insert(statement.candidates)
        if rule is None or rule.dry_run:
            return statement.text
        table = self._planner.definition(statement)
        if isinstance(table, Wait):
            return statement.text
        made = self._planner.plan(command, statement, rule, table)
        if isinstance(made, Pause):
            command.stage = Stage.UNSENT
            return made
        if made is None or made.when is not When.ALWAYS:
            return statement.text
        command.plan = made
        command.stage = Stage.REWRITTEN
        return made.statement

    def pass_over(self, command: Command, head: Head, schema: str | None, reason: Reason) -> None:
        """Count a statement that is passed on unread, where a rule would have rewritten it in the first place."""
        rule = rule_for_insert(self.candidates(head, schema))
        if rule is not None and not rule.dry_run:
            self._counters.skip(rule.name, reason)
            command.skipped = rule

    def failed(self, command: Command, payload: bytes, head: Head, schema: str | None) -> bytes | Send | Wait | Pause:
        """Take an ERR that ends a reply.

        Args:
            command: what it answers.
            payload: the packet's payload.
            head: what the start of the client's statement says.
            schema: the default schema.

        Returns:
            The payload that the client gets, or what is sent to the backend instead of an answer.
        """
        error = parse_err(payload)
        self._counters.error(error.number)
        statement = command.statement
        if statement is not None and error.number == ER_LOCK_DEADLOCK and command.stage is not Stage.PLAIN:
            again = self._after_deadlock(command, statement)
            if again is not None:
                return again
        if statement is not None and command.stage is Stage.SECOND:
            return self._second_failed(command, statement, payload, error)
        if statement is not None and command.stage is Stage.REWRITTEN:
            return self._rewritten_failed(command, statement, payload, error)
        self._judge(command, error.number)
        if not is_duplicate(error.number):
            self._reporter.take_back(command, head)
            return payload
        return self._conflict(command, self._reporter.conflicted(command, payload, error, head, schema), head, schema)

    def resumed(self, command: Command) -> bytes | Send | Wait | Pause:
        """Go on with a conflict that had to wait."""
        statement, conflicted = command.statement, command.conflicted
        if statement is None or conflicted is None:
            raise ProtocolError("a conflict goes on that never was")
        command.conflicted = None
        return self._conflict(command, conflicted, statement.head, statement.schema)

    def not_prepared(self, command: Command, payload: bytes) -> bytes | Send:
        """Take the ERR that answers the PREPARE of a rule's text, or of the client's own in its place; as `failed`."""
        error = parse_err(payload)
        self._counters.error(error.number)
        made, statement, conflicted = command.plan, command.statement, command.conflicted
        if made is None or statement is None:
            return payload
        self._count(command, made, "error")
        if conflicted is None:
            command.stage = Stage.ORIGINAL
            command.rule_error = error.number
            return Send(statement.text)
        self._trips.failed(made.rule)
        self._reporter.record(conflicted, Outcome.FAILED, made.rule)
        return conflicted.payload

    def succeeded(self, command: Command, payload: bytes, ok: Ok | None) -> bytes:
        """Take the packet that ends a reply in good order, and its OK if it is one; return the client's payload."""
        statement = command.statement
        made = command.plan
        self._judge(command, 0)
        if statement is None or made is None or not command.stage.is_rules:
            return payload
        self._count(command, made, "ok")
        self._trips.worked(made.rule)
        if ok is None or made.returning:  # rows were the answer: nothing tells which of them were there
            if command.conflicted is not None:
                self._reporter.resolved(command.conflicted, made, None)
            return payload
        told = info(payload, ok)
        form = statement.insert.form if isinstance(statement.insert, Insert) else None
        if form is Form.LOAD_DATA and made.rule.action is not Action.REPLACE:
            return payload  # it has skipped rows as it does without a rule, and so they are counted: `Reporter.loaded`
        # a bulk execution offers as many rows as it brings parameters for; the reply to a single one tells nothing
        several = command.code == commands.STMT_BULK_EXECUTE or form is Form.ROW
        rows = rows_of(told, 1 if several else made.rows)
        tally = self._tally(made, form, rows, ok, told)
        if command.conflicted is not None:
            self._reporter.resolved(command.conflicted, made, tally)
        elif tally is not None:
            self._reporter.prevented(command, statement, made, tally)
        if made.rule.affected_rows is AffectedRows.INSERT and rows:
            return with_affected_rows(payload, rows)
        return payload

    def broken_off(self, command: Command) -> None:
        """Record the conflict that a command has met and is still in: the session ends, and nobody hears of more."""
        conflicted, made = command.conflicted, command.plan
        if conflicted is not None:
            self._reporter.broken_off(conflicted, made.rule if made and command.stage is Stage.SECOND else None)

    # ----------------------------------------------------------------------------------------------------------------
    # Conflicts

    def _conflict(
        self, command: Command, conflicted: Conflicted, head: Head, schema: str | None
    ) -> bytes | Send | Wait | Pause:
        """Answer a conflict that the client's own statement has met."""
        statement = command.statement
        met = head if statement else _met(command, conflicted, head)
        candidates = statement.candidates if statement else self.candidates(met, schema)
        rule = rule_for_conflict(candidates, conflicted.met.key) if _is_own(conflicted, met) else None
        outcome = Outcome.RETURNED
        if rule is not None and rule.action is not Action.OBSERVE and conflicted.met.errno in _RESOLVABLE:
            if command.stage is Stage.ORIGINAL and command.plan and command.plan.rule is rule:
                # its statement has been refused or has failed already, for this very row
                outcome = Outcome.FAILED if command.rule_error else Outcome.REFUSED
            elif (made := self._second(command, rule, conflicted, head)) is not None:
                command.conflicted = conflicted
                self._reporter.judge_meanwhile(conflicted)
                return Send(made.statement) if isinstance(made, Plan) else made
        self._reporter.record(conflicted, outcome, rule)
        return conflicted.payload

    def _second(self, command: Command, rule: Rule, conflicted: Conflicted, head: Head) -> Plan | Wait | Pause | None:
        """Prepare a rule's second statement; None where there is to be none, which is counted."""
        statement = command.statement
        if statement is None:
            if command.skipped is not rule:
                self._counters.skip(rule.name, _why_unseen(command, head))
            return None
        if _is_exhausted(conflicted.met.entry, statement.text):
            self._counters.skip(rule.name, Reason.AUTO_INCREMENT)
            return None
        table = self._planner.definition(statement)
        if isinstance(table, Wait):
            return table
        made = self._planner.plan(command, statement, rule, table)
        if made is None or isinstance(made, Pause):
            return made
        if rule.dry_run:
            self._count(command, made, "dry_run")
            return None
        command.plan = made
        command.stage = Stage.SECOND
        return made

    # ----------------------------------------------------------------------------------------------------------------
    # Errors of a rule's statement

    def _second_failed(self, command: Command, statement: Statement, payload: bytes, error: Err) -> bytes:
        """Choose the client's error when a second statement has failed."""
        made, conflicted = command.plan, command.conflicted
        if made is None or conflicted is None:
            return payload
        refused = _is_guard(error)
        self._count(command, made, _result_of(error))
        latency = self._clock() - conflicted.at
        outcome = Outcome.REFUSED if refused else Outcome.FAILED
        self._reporter.record(conflicted, outcome, made.rule, latency=latency)
        if refused:
            return conflicted.payload
        if error.number in _CHANGED_NOTHING:
            self._trips.failed(made.rule)
            self._planner.forget(statement)
            return conflicted.payload
        return payload  # it may have ended the transaction, or tell of a row: the client must know

    def _rewritten_failed(self, command: Command, statement: Statement, payload: bytes, error: Err) -> bytes | Send:
        """Fall back on the client's own statement, or return an error that it would have met as well."""
        made = command.plan
        if made is None:
            return payload
        refused = _is_guard(error)
        self._count(command, made, _result_of(error))
        if command.blocked is None and (refused or error.number in _CHANGED_NOTHING):
            command.stage = Stage.ORIGINAL
            command.rule_error = 0 if refused else error.number
            return Send(statement.text)
        if is_duplicate(error.number):
            conflicted = self._reporter.conflicted(command, payload, error, statement.head, statement.schema)
            self._reporter.record(conflicted, Outcome.RETURNED, made.rule)
        else:
            self._reporter.take_back(command, statement.head)
        return payload

    # ----------------------------------------------------------------------------------------------------------------
    # Helpers

    def _judge(self, command: Command, error: int) -> None:
        """Blame the rule for an error of its statement, unless the client's own has met the same (0: it met none)."""
        if command.rule_error and command.plan is not None and command.rule_error != error:
            self._trips.failed(command.plan.rule)

    def _tally(self, made: Plan, form: Form | None, rows: int, ok: Ok, told: bytes) -> Tally | None:
        if made.rule.action is Action.REPLACE:
            return tally_replace(rows, ok.affected_rows) if rows else None
        queried = form in (Form.SELECT, Form.TABLE)
        return tally_upsert(rows, ok.affected_rows, told, self._found_rows, queried=queried)

    def _after_deadlock(self, command: Command, statement: Statement) -> Send | None:
        """Send a statement again if the deadlock has undone nothing else; if not, count it for the rule.

        The client's own is sent again as well: what it ran into may be a rule's doing, of this session (a conflict that
        was resolved earlier in the transaction holds locks) or of another one.
        """
        made = command.plan
        rules = (made.rule,) if made else tuple(rule for rule in statement.candidates if _acts(rule))
        if not rules:
            return None
        if command.retries < _RETRIES and command.is_repeatable:
            command.retries += 1
            self._counters.rewrite(rules[0].name, rules[0].effective_when, command.protocol, "retried")
            return Send(made.statement if made and command.stage.is_rules else statement.text)
        self._counters.deadlock(rules[0].name)
        return None

    def _count(self, command: Command, made: Plan, result: str) -> None:
        self._counters.rewrite(made.rule.name, made.when, command.protocol, result)


def _acts(rule: Rule) -> bool:
    return rule.action is not Action.OBSERVE and not rule.dry_run


def _is_own(conflicted: Conflicted, head: Head) -> bool:
    """Whether the conflict is on the statement's own table; MySQL tells when it is on a trigger's."""
    table = conflicted.met.table
    return table is not None and head.table is not None and same_name(table, head.table)


def _is_guard(error: Err) -> bool:
    return error.number == ER_DATA_OUT_OF_RANGE and _MARKER in error.message


def _result_of(error: Err) -> str:
    """Say how a rule's statement has failed, for the counters."""
    if _is_guard(error):
        return "refused"
    return "deadlock" if error.number == ER_LOCK_DEADLOCK else "error"


def _is_exhausted(entry: str | None, text: bytes) -> bool:
    """Whether the conflict is of a generated id that has come to its type's end: the text does not hold the value."""
    if entry not in _EXHAUSTED or entry is None:
        return False
    if entry.encode() not in text:
        return True
    return re.search(rb"(?<![0-9A-Za-z_.])%b(?![0-9A-Za-z_.])" % entry.encode(), text) is None


def _met(command: Command, conflicted: Conflicted, head: Head) -> Head:
    """Say which INSERT has met a conflict; where it is hidden in a routine or in a long text, only the error tells."""
    hidden = head.verb in _HIDING or (command.unseen is not None and head.verb not in OFFERING)
    return Head("insert", None, conflicted.met.table) if hidden else head


def _why_unseen(command: Command, head: Head) -> Reason:
    if head.verb in _HIDING:
        return Reason.NOT_INSERT
    return Reason.LOAD_DATA if head.verb == "load" else command.unseen or Reason.TOO_LARGE
