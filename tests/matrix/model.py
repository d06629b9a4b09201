"""What becomes of an INSERT under rules: of the table, and in the client's eyes. Plain Python over a list of rows.

It is written from the rules' words and from what MySQL 9.7 and MariaDB 10.11 were measured to do, not from the proxy:

* A statement takes effect as a whole or not at all. Keys are asked in the order of SHOW INDEX: the first that a row
  meets is the one of the error, and its row is the one that ON DUPLICATE KEY UPDATE takes.
* Affected rows: 1 for a row inserted, 2 for one changed, 0 for one left as it was (1 with FOUND_ROWS); a REPLACE counts
  1 for each row inserted and 1 for each row deleted.
* The insert id is the first one generated, else what LAST_INSERT_ID(expr) was given, else the last row's id if any row
  was inserted or changed. LAST_INSERT_ID() is one of the first two, or as before; a failed statement of several rows
  leaves the id of one that was rolled back in it.
* A statement takes one id for each row from the counter when it begins, and never gives them back.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

Value = int | str | None
Row = dict[str, Value]

DUPLICATE = 1062


@dataclass(frozen=True)
class Key:
    """A unique key."""

    name: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table: its columns, what they hold by default, and its keys in the server's order; auto: the counted column."""

    name: str
    columns: tuple[str, ...]
    defaults: Mapping[str, Value]
    keys: tuple[Key, ...]
    auto: str = ""


@dataclass(frozen=True)
class Offer:
    """The rows that an INSERT offers.

    unnamed: the statement has no column list. query: the rows are a query's, so that their number is not known before.
    warnings: the server's to the client's own statement. deprecations: it counts each VALUES(column) as one, too.
    nameless: the row offered has no name, so that all its columns are written as VALUES(column).
    returning: the columns that come back of each row, in the place of an OK.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]
    unnamed: bool = False
    query: bool = False
    warnings: int = 0
    deprecations: bool = False
    nameless: bool = False
    returning: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rule:
    """A rule, as far as the model must know it; `set` gives for each column "new.x", "old.x" or "old.x + new.x".

    mysql: it is followed on MySQL.
    """

    action: str
    keys: tuple[str, ...] = ()
    columns: tuple[tuple[str, ...], ...] = ()
    set: tuple[tuple[str, str], ...] = ()
    return_id: str = ""
    as_insert: bool = False
    always: bool = False
    dry_run: bool = False
    mysql: bool = False


@dataclass(frozen=True)
class Answer:
    """What the client reads in the OK."""

    affected_rows: int
    insert_id: int
    info: str = ""
    warnings: int = 0


@dataclass(frozen=True)
class Returned:
    """The rows that the client reads, as text."""

    rows: tuple[tuple[str | None, ...], ...]


@dataclass(frozen=True)
class Failure:
    """The error that the client reads."""

    key: str
    number: int = DUPLICATE


@dataclass
class State:
    """The table and the session; results and outcomes: of the rules' statements and of the conflicts, as counted."""

    rows: list[Row]
    next_id: int
    last_insert_id: int
    found_rows: bool = False
    results: list[str] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)


class DuplicateError(Exception):
    """A row met a key, and nothing was to be done about it."""

    def __init__(self, key: Key) -> None:
        super().__init__(key.name)
        self.key = key


class RefusedError(Exception):
    """A row met a key that the rule is not for."""


def same(one: Value, other: Value) -> bool:
    """Compare as a key of utf8mb4 does that minds neither case nor, here, anything else."""
    if isinstance(one, str) and isinstance(other, str):
        return one.casefold() == other.casefold()
    return one is not None and one == other


def met(table: Table, rows: Iterable[Row], row: Row) -> tuple[Key, Row] | None:
    """Find the first key that a row meets, and the row that has it."""
    rows = list(rows)
    for key in table.keys:
        for there in rows:
            if there is not row and all(same(there[column], row[column]) for column in key.columns):
                return key, there
    return None


class Statement:
    """One statement on its way through the rows that it offers."""

    def __init__(self, table: Table, state: State, offer: Offer, rule: Rule | None) -> None:
        self.table = table
        self.state = state
        self.offer = offer
        self.rule = rule
        self.rows = [dict(row) for row in state.rows]
        self.start = state.next_id
        self.generated = 0  # ids that rows have kept
        self.attempted = 0  # the most that were needed at once
        self.first_id = 0
        self.given_id = 0  # by LAST_INSERT_ID(expr)
        self.latest_id = 0
        self.returned: list[tuple[str | None, ...]] = []
        self.inserted = self.changed = self.kept = self.deleted = 0
        self.warnings = offer.warnings + (deprecated(rule, offer) if rule and offer.deprecations else 0)

    def run(self) -> Answer | Returned:
        """Offer every row; raises DuplicateError and RefusedError, both of which undo the statement."""
        try:
            for values in self.offer.rows:
                self._offer(values)
        finally:
            self._count_ids()
            self.state.last_insert_id = self.first_id or self.given_id or self.state.last_insert_id
        self.state.rows = self.rows
        if self.offer.returning:
            return Returned(tuple(self.returned))
        touched = self.inserted + self.changed
        latest = self.latest_id if touched and not self.offer.query else 0
        return Answer(self._affected(), self.first_id or self.given_id or latest, self._info(), self.warnings)

    @property
    def is_told(self) -> bool:
        """Whether the reply tells rows inserted from rows left as they were; with FOUND_ROWS both count 1."""
        if self.offer.returning:
            return False
        if not self.state.found_rows or not self.rule or self.rule.action == "replace":
            return True
        if len(self.offer.rows) == 1 and not self.offer.query:
            return self.changed == 1
        return not self.offer.query or self.changed == len(self.offer.rows)

    def _count_ids(self) -> None:
        if not self.table.auto or not any(self._is_generated(values) for values in self.offer.rows):
            return
        wanted = len(self.offer.rows)
        if self.offer.query:  # taken 1, 2, 4 ... at a time, as they are needed
            wanted = 1
            while wanted < self.attempted:
                wanted = 2 * wanted + 1
        self.state.next_id = self.start + wanted

    def _is_generated(self, values: tuple[Value, ...]) -> bool:
        given = dict(zip(self.offer.columns, values, strict=True))
        return bool(self.table.auto) and given.get(self.table.auto) is None

    def _offer(self, values: tuple[Value, ...]) -> None:
        row = {**self.table.defaults, **dict(zip(self.offer.columns, values, strict=True))}
        generated = self._is_generated(values)
        if generated:
            row[self.table.auto] = self.start + self.generated
            self.attempted = self.generated + 1
        found = met(self.table, self.rows, row)
        if found is None:
            self._insert(row, generated)
        elif self.rule is None:
            raise DuplicateError(found[0])
        elif self.rule.action == "replace":
            while found is not None:
                self.rows.remove(found[1])
                self.deleted += 1
                found = met(self.table, self.rows, row)
            self._insert(row, generated)
        else:
            self._update(self.rule, found[1], row)

    def _return(self, row: Row) -> None:
        values = [row[column] for column in self.offer.returning]
        self.returned.append(tuple(None if value is None else str(value) for value in values))

    def _insert(self, row: Row, generated: bool) -> None:
        self.rows.append(row)
        self._return(row)
        self.inserted += 1
        self.latest_id = self._id_of(row)
        if generated:
            self.generated += 1
            self.first_id = self.first_id or self.latest_id

    def _update(self, rule: Rule, there: Row, row: Row) -> None:
        if not may(rule, self.offer, there, row):
            raise RefusedError
        if rule.return_id:
            self.given_id = self._id_of(there)
        self.latest_id = self._id_of(there)
        before = dict(there)
        for column, expression in rule.set:
            there[column] = evaluate(expression, there, row)
        self._return(there)
        if there == before:
            self.kept += 1
            return
        found = met(self.table, self.rows, there)
        if found is not None:
            raise DuplicateError(found[0])
        self.changed += 1

    def _id_of(self, row: Row) -> int:
        found = row.get(self.table.auto)
        return found if isinstance(found, int) else 0

    def _affected(self) -> int:
        return self.inserted + self.deleted + 2 * self.changed + self.state.found_rows * self.kept

    def _info(self) -> str:
        if len(self.offer.rows) == 1 and not self.offer.query:
            return ""
        # a query's rows that were left as they were are never counted (measured)
        counted = self.kept if self.state.found_rows and not self.offer.query else 0
        duplicates = self.deleted + self.changed + counted
        return f"Records: {len(self.offer.rows)}  Duplicates: {duplicates}  Warnings: {self.warnings}"


def may(rule: Rule, offer: Offer, there: Row, row: Row) -> bool:
    """Tell whether the row that was met is one that the rule is for."""
    if rule.columns and not any(all(same(there[column], row[column]) for column in group) for group in rule.columns):
        return False
    if rule.action != "idempotent":
        return True
    return all(there[column] == row[column] for column in offer.columns)


def deprecated(rule: Rule, offer: Offer) -> int:
    """Count the columns that the rule's statement writes as VALUES(column), where the row offered has no name.

    The guard names each of the keys' columns once and, if all must be the same, each column three times.
    """
    if rule.action == "replace":
        return 0
    named = [column for group in rule.columns for column in group]
    named += [term[4:] for _, expression in rule.set for term in expression.split(" + ") if term.startswith("new.")]
    if rule.action == "idempotent":
        named += 3 * offer.columns
    return sum(offer.nameless or not (offer.unnamed or column in offer.columns) for column in named)


def evaluate(expression: str, there: Row, row: Row) -> Value:
    """Evaluate one of the few expressions that the matrix sets."""
    values = []
    for term in expression.split(" + "):
        side, column = term.split(".")
        values.append(there[column] if side == "old" else row[column])
    if len(values) == 1:
        return values[0]
    return sum(value for value in values if isinstance(value, int))


def is_plannable(rule: Rule, offer: Offer) -> bool:
    """Tell whether the proxy has a statement for the rule, without a look at the table's definition."""
    if rule.action == "observe" or (rule.keys and not rule.columns and rule.action != "replace"):
        return False
    if offer.returning and rule.action != "replace" and len(offer.rows) > 1:
        return False  # the ids would not count up
    if rule.action == "replace" and rule.keys:  # the rows behind the first might meet other keys
        return len(offer.rows) == 1 and not offer.query and not offer.nameless
    return not (rule.action == "idempotent" and offer.unnamed)


def may_be_another(rule: Rule, offer: Offer) -> bool:
    """Tell whether the row met may be another's, which has the last id of a counter.

    Either no guard holds the statement to the row offered, or one by a column that the server may have filled in.
    """
    if rule.action == "idempotent":
        return False
    return not rule.columns or any(len(group) == 1 and group[0] not in offer.columns for group in rule.columns)


def is_always(rule: Rule, offer: Offer) -> bool:
    """Tell whether the rule's statement is sent in the first place; a REPLACE cannot be held to a key.

    One that returns rows is not: if its guard refused it, the client would have seen the beginning of the reply.
    """
    return (
        rule.always
        and not (rule.mysql and may_be_another(rule, offer))
        and not offer.returning
        and rule.action != "observe"
        and not (rule.action == "replace" and rule.keys)
    )


def predict(table: Table, state: State, offer: Offer, rule: Rule) -> Answer | Returned | Failure:
    """Let a client send an INSERT under one rule: change the state, and return what the client reads."""
    refused = False
    if is_always(rule, offer) and not rule.dry_run and is_plannable(rule, offer):
        try:
            return _as_rule_says(table, state, offer, rule)
        except DuplicateError as error:
            state.results.append("error")
            return _failed(state, error.key, "returned")
        except RefusedError:
            state.results.append("refused")
            refused = True
    try:
        return Statement(table, state, offer, None).run()
    except DuplicateError as error:
        if (rule.keys and error.key.name not in rule.keys) or not is_plannable(rule, offer):
            return _failed(state, error.key, "returned")
        return _failed(state, error.key, "refused") if refused else _second(table, state, offer, rule, error.key)


def _second(table: Table, state: State, offer: Offer, rule: Rule, key: Key) -> Answer | Returned | Failure:
    if rule.dry_run:
        state.results.append("dry_run")
        return _failed(state, key, "returned")
    try:
        return _as_rule_says(table, state, offer, rule)
    except RefusedError:
        state.results.append("refused")
        return _failed(state, key, "refused")
    except DuplicateError as error:
        state.results.append("error")
        state.outcomes["failed"] += 1
        return Failure(error.key.name)


def _failed(state: State, key: Key, outcome: str) -> Failure:
    state.outcomes[outcome] += 1
    return Failure(key.name)


def _as_rule_says(table: Table, state: State, offer: Offer, rule: Rule) -> Answer | Returned:
    statement = Statement(table, state, offer, rule)
    answer = statement.run()
    state.results.append("ok")
    told = outcomes_of(statement)
    if not is_always(rule, offer) and not told:
        told = {"inserted" if statement.is_told else "unknown": 1}
    state.outcomes.update(told)
    if not rule.as_insert or isinstance(answer, Returned):
        return answer
    return replace(answer, affected_rows=len(offer.rows))


def outcomes_of(statement: Statement) -> dict[str, int]:
    """Say what became of the rows that were there, as far as the server's reply tells it."""
    if not statement.is_told:
        return {}
    replaced = min(len(statement.offer.rows), statement.deleted)
    found = {"replaced": replaced, "updated": statement.changed, "kept": statement.kept}
    return {outcome: count for outcome, count in found.items() if count}
