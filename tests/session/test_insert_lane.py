"""Whatever is remembered of a beginning, each INSERT goes the way that it would go by itself."""

import pytest

from proxy.conflicts.attempt import Attempt
from proxy.conflicts.insertions import Insertions
from proxy.rules.match import RuleSet, Way
from proxy.session.insert_lane import InsertLane
from proxy.session.variables import Variables
from proxy.sql.head import OTHER, Head
from proxy.wire import commands
from proxy.wire.framing import frame

LONGEST = 1 << 16
COMMAND_AT = 5


class Judge:
    """Lets INSERTs into `watched` be watched and those into `read` be read; keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str | None, str | None, str | None]] = []
        self.rules = RuleSet()

    def way_of(self, start: Head, schema: str | None) -> Way:
        self.asked.append((start.schema, start.table, schema))
        return {"watched": Way.WATCHED, "read": Way.READ}.get(start.table or "", Way.PLAIN)

    def ruled(self, code: int, data: bytes, position: int) -> Head | None:
        assert (code, position) == (commands.QUERY, 0)
        return OTHER if b"read" in data else None


class Lane:
    """A lane with all that it is given."""

    def __init__(self, mariadb: bool = False, longest: int = LONGEST) -> None:
        self.judge = Judge()
        self.variables = Variables(mariadb, "shop", 45, 0)
        self.insertions = Insertions()
        self.foreseen: list[bytes] = []
        judge, told = self.judge, self.insertions
        self.lane = InsertLane(
            judge,
            lambda: judge.rules,
            "app",
            self.variables,
            told,
            7,
            self.foreseen.append,
            mariadb=mariadb,
            longest=longest,
        )

    def goes(self, text: bytes, several: bool = False) -> bool:
        """Tell whether a text goes as it is; make sure that what goes was told of, and nothing else."""
        was_told = self.is_told(text)
        goes = self.lane.goes(frame(b"\3" + text, 0), COMMAND_AT, 12.0, several)
        assert self.is_told(text) is (goes or was_told)
        return goes

    def is_told(self, text: bytes) -> bool:
        same = self.insertions.failed(Attempt(8, text, started=99.0, schema=self.variables.schema))
        assert same is None or same == (12.0, 7)
        return same is not None


@pytest.mark.parametrize(
    "text",
    [
        b"INSERT INTO watched (a) VALUES (1)",
        b"insert watched VALUES (1)",
        b"INSERT  INTO\n`watched`(a) VALUES (1)",
        b"INSERT INTO shop.watched VALUES (1)",
        b"INSERT INTO watched SET a=1",
        b"insert shop.watched set a = (1), b=2",
        b"INSERT INTO `sh(op`.`watched` VALUES (1)",
    ],
)
def test_usual_beginnings_are_judged_once(text: bytes) -> None:
    lane = Lane()
    for number in range(3):
        assert lane.goes(text + b", (%d)" % number)
    assert len(lane.judge.asked) == (1 if b"sh(op" not in text else 3)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (b"INSERT /* ( */ INTO plain VALUES (1)", b"INSERT /* ( */ INTO read VALUES (1)"),
        (b"INSERT INTO `a(b` VALUES (1)", b"INSERT INTO `a(read`.`read` VALUES (1)"),
        (b"INSERT INTO plain SELECT 1", b"INSERT INTO read SELECT 1"),
        (b"INSERT INTO plain SET a = (1)", b"INSERT INTO read SET a = (1)"),
        (b"INSERT INTO plain -- (\n(a) VALUES (1)", b"INSERT INTO read -- (\n(a) VALUES (1)"),
        (b"INSERT INTO plain SET a = 1", b"INSERT INTO read SET a = 1"),
        (b"INSERT INTO plain(a)VALUES ('=')", b"INSERT INTO read(a)VALUES ('=')"),
        (b"INSERT INTO `=`.plain SET a = 1", b"INSERT INTO `=`.read SET a = 1"),
        (b"INSERT INTO `=`.plain VALUES (1)", b"INSERT INTO `=`.read VALUES (1)"),
        (b"INSERT INTO /* = */ plain SET a = 1", b"INSERT INTO /* = */ read SET a = 1"),
        (b"INSERT plain SET a = 1", b"INSERT plain.read SET a = 1"),
        (b"INSERT INTO plain (a) VALUES (1)", b"INSERT INTO read (a) VALUES (1)"),
        (b'INSERT INTO "(" VALUES (1)', b'INSERT INTO "("."read" VALUES (1)'),
    ],
)
def test_beginnings_that_look_alike_are_told_apart(first: bytes, second: bytes) -> None:
    lane = Lane()
    for _ in range(2):
        assert lane.goes(first)
        assert not lane.goes(second)


def test_other_rules_and_schemas_are_asked_anew() -> None:
    lane = Lane()
    text = b"INSERT INTO watched VALUES (1)"
    for schema in ("shop", "other", "shop", None):
        lane.variables.use(schema)
        lane.goes(text)
    lane.judge.rules = RuleSet()
    lane.goes(text)
    lane.goes(text)
    assert [schema for _, _, schema in lane.judge.asked] == ["shop", "other", None, None]


def test_users_are_asked_for_each() -> None:
    rules = RuleSet()
    rules.ways("shop", "app")[b"INSERT INTO t "] = Way.READ
    assert rules.ways("shop", "app") == {b"INSERT INTO t ": Way.READ}
    assert not rules.ways("shop", "other")
    assert not rules.ways("other", "app")


def test_what_is_remembered_is_bounded() -> None:
    lane = Lane()
    for number in range(1000):
        lane.goes(b"INSERT INTO t%d VALUES (1)" % number)
    lane.goes(b"INSERT INTO t0 VALUES (1)")
    assert len(lane.judge.asked) == 1001


def test_what_is_watched_must_be_short_enough_to_be_read() -> None:
    text = b"INSERT INTO watched VALUES (1)"
    for lane, goes in ((Lane(longest=len(text) + COMMAND_AT), True), (Lane(longest=len(text) + COMMAND_AT - 1), False)):
        assert lane.goes(text) is goes
        assert lane.goes(text.replace(b"watched", b"plain")), "no rules are for it: nobody reads it"


@pytest.mark.parametrize("clause", [b" RETURNING a", b" returning *"])
def test_rows_may_be_the_reply_of_mariadb_alone(clause: bytes) -> None:
    for lane, goes in ((Lane(mariadb=True), False), (Lane(), True)):
        assert lane.goes(b"INSERT INTO watched VALUES (1)")
        assert lane.goes(b"INSERT INTO watched VALUES (1)" + clause) is goes
        assert lane.goes(b"INSERT INTO plain VALUES (1)" + clause)


def test_texts_that_may_be_several_statements_are_looked_at_as_a_whole() -> None:
    lane = Lane()
    assert lane.goes(b"INSERT INTO plain VALUES (1); INSERT INTO other VALUES (1)", several=True)
    assert not lane.goes(b"INSERT INTO plain VALUES (1); INSERT INTO read VALUES (1)", several=True)
    assert lane.goes(b"INSERT INTO plain VALUES (';'), ('read')")
    assert lane.goes(b"INSERT INTO plain VALUES (1)", several=True)


WATCHED = b"INSERT INTO watched VALUES (%d)"


def after_conflicts(number: int) -> Lane:
    """Give a lane through which so many INSERTs have gone, each of which met a conflict."""
    lane = Lane()
    for each in range(number):
        assert lane.goes(WATCHED % each)
        lane.lane.met()
    lane.foreseen.clear()
    return lane


@pytest.mark.parametrize(("conflicts", "foreseen"), [(0, False), (2, False), (3, True), (4, True)])
def test_a_conflict_is_foreseen_behind_three_in_a_row(conflicts: int, foreseen: bool) -> None:
    lane = after_conflicts(conflicts)
    assert lane.goes(WATCHED % 7)
    assert lane.foreseen == ([frame(b"\3" + WATCHED % 7, 0)] if foreseen else [])
    assert lane.goes(WATCHED % 8), "the one before it met none"
    assert len(lane.foreseen) == foreseen


def test_conflicts_are_in_a_row_whatever_goes_between_them_that_no_rules_are_for() -> None:
    lane = after_conflicts(3)
    assert lane.goes(b"INSERT INTO plain VALUES (1)")
    assert lane.foreseen == []
    assert lane.goes(WATCHED % 7)
    assert len(lane.foreseen) == 1


def test_what_would_be_kept_for_long_is_short() -> None:
    for size, foreseen in ((1024, 1), (1025, 0)):
        lane = after_conflicts(3)
        text = WATCHED % 7
        assert lane.goes(text + b" " * (size - COMMAND_AT - len(text)))
        assert len(lane.foreseen) == foreseen
