"""What a rule makes of an INSERT: a statement, if it can be made and may be run just now."""

from typing import Final

from proxy.rules.plan import Plan
from proxy.rules.plan import plan as make_plan
from proxy.rules.rule import Rule
from proxy.rules.table import Table
from proxy.session.command import Command
from proxy.session.decision import PAUSE, Pause, Wait
from proxy.session.settings import SessionSettings
from proxy.session.statement import Statement
from proxy.sql.dialect import Dialect
from proxy.sql.insert import Insert, Skip, recognise
from proxy.sql.reason import Reason
from proxy.sql.recognition import SMALL, Recognition

_SLICE: Final = 1 << 18  # bytes of a large text that are read in one turn
_LARGE: Final = 1 << 20  # bytes of a text that is copied in a turn of its own


class Planner:
    """Makes them for one session; large ones in as many turns as it takes.

    Args:
        settings: the session's settings.
        dialect: the backend's.
    """

    __slots__ = ("_counters", "_dialect", "_tables", "_trips")

    def __init__(self, settings: SessionSettings, dialect: Dialect) -> None:
        self._counters = settings.counters
        self._tables = settings.tables
        self._trips = settings.trips
        self._dialect = dialect

    def plan(self, command: Command, statement: Statement, rule: Rule, table: Table | None) -> Plan | Pause | None:
        """Make a rule's statement; None where it cannot be made, or run just now, which is counted.

        table: its table's definition, if it is known.
        """
        made = self.make(statement, rule, table)
        if isinstance(made, Pause):
            return made
        if isinstance(made, Plan) and command.blocked is not None:
            made = Skip(command.blocked)
        elif isinstance(made, Plan) and self._trips.is_tripped(rule):
            made = Skip(Reason.TRIPPED)
        if isinstance(made, Skip):
            if command.skipped is not rule:
                self._counters.skip(rule.name, made.reason)
                command.skipped = rule
            return None
        return made

    def make(self, statement: Statement, rule: Rule, table: Table | None) -> Plan | Skip | Pause:
        """Make a rule's statement once, or say why it cannot be made; it is kept with the client's."""
        earlier = statement.plans.get(rule.name)
        if earlier is not None and earlier[0] is table:
            return earlier[1]
        insert = _recognised(statement)
        if isinstance(insert, Pause):
            return insert
        made = make_plan(insert, rule, self._dialect, table) if isinstance(insert, Insert) else insert
        statement.plans[rule.name] = (table, made)
        # it has been copied, which is enough for one turn
        return PAUSE if len(statement.text) > _LARGE else made

    def definition(self, statement: Statement) -> Table | Wait | None:
        """Give the definition of a statement's table; None: nobody looks it up, or it is missing.

        A LOAD DATA needs none, and is not to go without its rule for want of one: what it skips is not offered again.
        """
        schema, table = statement.head.schema or statement.schema, statement.head.table
        if self._tables is None or schema is None or table is None:
            return None
        if not statement.definite or statement.head.verb == "load":
            return None
        found = self._tables.peek(schema, table)
        if found is None:
            return Wait(schema, table)
        return found if isinstance(found, Table) else None

    def forget(self, statement: Statement) -> None:
        """Have a table looked up anew: an error says that it may not be what it was."""
        schema, table = statement.head.schema or statement.schema, statement.head.table
        if self._tables is not None and schema is not None and table is not None:
            self._tables.forget(schema, table)


def _recognised(statement: Statement) -> Insert | Skip | Pause:
    """Read a statement; a large one in as many turns as it takes."""
    if statement.insert is None and len(statement.text) <= SMALL:
        statement.insert = recognise(statement.text, statement.lexing)
    elif statement.insert is None:
        if statement.recognition is None:
            statement.recognition = Recognition(statement.text, statement.lexing)
        statement.insert = statement.recognition.step(_SLICE)
        if len(statement.text) > _LARGE:
            return PAUSE
    return PAUSE if statement.insert is None else statement.insert
