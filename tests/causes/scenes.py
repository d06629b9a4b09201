"""Scenes in which one INSERT meets a duplicate, each for a reason of its own.

A scene is played on a real server through a proxy. Chance decides on its values, the number of rows, and who is first.
"""

from __future__ import annotations  # PyMySQL's connection is generic in its type stubs only

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from pymysql.connections import Connection
from pymysql.cursors import Cursor

from proxy.conflicts.conflict import Cause
from tests import raw
from tests.causes.client import Client, Reply
from tests.e2e.running import Proxy
from tests.matrix.model import Answer, Failure, Value

Entry = str | tuple[int, int]
"""Who somebody is: the email, or shop and number."""
Names = dict[Entry, set[str]]
"""By which name each of them may be in the table in the end."""

DUPLICATE = 1062
A_WHILE = 0.4
"""Seconds after which nothing is a race any more."""
TABLE = (
    "CREATE TABLE people (id INT PRIMARY KEY AUTO_INCREMENT, email VARCHAR(60), name VARCHAR(60), shop INT, number INT,"
    " UNIQUE KEY ux_email (email), UNIQUE KEY ux_number (shop, number))"
)
BY_EMAIL = "INSERT INTO people (email, name) VALUES (?, ?)"
BY_NUMBER = "INSERT INTO people (shop, number, name) VALUES (?, ?, ?)"
LOOK_BY_EMAIL = "SELECT id FROM people WHERE email = ?"


@dataclass
class Stage:
    """Where a scene is played: on a server with the empty table, through a proxy.

    Args:
        proxy: in front of the server.
        schema: holds the table.
        prepared: whether the clients prepare their statements.
        direct: goes around the proxy.
        files: a folder that the server may read.
        ruled: whether a rule answers the duplicates.
    """

    proxy: Proxy
    schema: str
    prepared: bool
    direct: Connection[Cursor]
    files: Path
    ruled: bool = False
    clients: list[Client] = field(default_factory=list)

    def client(self, number: int) -> Client:
        """Give one of the clients that stay connected."""
        while len(self.clients) <= number:
            self.clients.append(self.newcomer())
        return self.clients[number]

    def newcomer(self) -> Client:
        """Connect another client."""
        own = (raw.MARIADB_BULK,) if self.proxy.server.mariadb else ()
        return Client(self.proxy.raw(raw.USUAL, *own, database=self.schema), self.prepared, self.ruled)

    def plant(self, *rows: tuple[str, str]) -> None:
        """Put people into the table whom the proxy knows nothing of."""
        with self.direct.cursor() as cursor:
            cursor.executemany("INSERT INTO people (email, name) VALUES (%s, %s)", rows)

    def holds(self, email: str) -> bool:
        """Tell whether somebody is in the table by now."""
        with self.direct.cursor() as cursor:
            return bool(cursor.execute("SELECT 1 FROM people WHERE email = %s", (email,)))

    def people(self) -> dict[Entry, str]:
        """Give the names of all people in the table, by their email in small letters, or shop and number."""
        with self.direct.cursor() as cursor:
            cursor.execute("SELECT email, shop, number, name FROM people")
            return {email.lower() if email else (shop, number): name for email, shop, number, name in cursor.fetchall()}


@dataclass(frozen=True)
class Play:
    """One repetition: what it is called, and the chance it takes."""

    number: int
    seed: int

    @property
    def chance(self) -> random.Random:
        """The same numbers every time it is asked."""
        return random.Random(self.seed * 100_003 + self.number)

    @property
    def email(self) -> str:
        """Whom it is about."""
        return f"{self.chance.choice(('ada', 'alan', 'o-neil', 'grace-h'))}.{self.number}@example.org"


@dataclass(frozen=True)
class Scene:
    """A scene.

    Args:
        name: what it is called.
        cause: why the INSERT meets the duplicate.
        act: plays it once; one client is told 1062, unless a rule has an answer.
        left: who is in the table afterwards if a rule had one; None: there is to be no rule.
        before: what has happened a while before, if anything.
        text, mysql: whether it can be played as text, and on MySQL.
    """

    name: str
    cause: Cause
    act: Callable[[Stage, Play], None]
    left: Callable[[Play], Names] | None
    before: Callable[[Stage, Play], None] | None = None
    text: bool = True
    mysql: bool = True

    def play(self, stage: Stage, plays: list[Play]) -> None:
        """Play it several times, its first part first of all."""
        if self.before is not None:
            for play in plays:
                self.before(stage, play)
            time.sleep(A_WHILE)
        for play in plays:
            self.act(stage, play)


def fails(client: Client, text: str, *values: Value, key: str = "ux_email") -> None:
    """Run a statement that meets a duplicate."""
    met(client.run(text, *values), client, key)


def met(reply: Reply, client: Client, key: str = "ux_email") -> None:
    """Make sure that a statement has met a duplicate, or that a rule had an answer."""
    assert isinstance(reply, Answer) if client.ruled else reply == Failure(key, DUPLICATE), reply


def works(client: Client, text: str, *values: Value) -> None:
    """Run a statement that does not."""
    reply = client.run(text, *values)
    assert isinstance(reply, Answer), reply


def one_fails(*clients: Client) -> None:
    """Read a reply by each of two clients, of whom one is told of a duplicate."""
    failures = [reply for client in clients if isinstance(reply := client.read(), Failure)]
    assert [reply.number for reply in failures] == ([] if clients[0].ruled else [DUPLICATE]), failures


# --------------------------------------------------------------------------------------------------------------------
# retry


def sent_twice(stage: Stage, play: Play) -> None:
    """An application that sends a statement again, as if it had not heard the answer."""
    works(stage.client(0), BY_EMAIL, play.email, "Ada")
    fails(stage.client(0), BY_EMAIL, play.email, "Ada")


def answer_lost(stage: Stage, play: Play) -> None:
    """The connection breaks before the answer has come; the client connects anew and sends the statement again."""
    first = stage.newcomer()
    first.send(BY_EMAIL, play.email, "Ada")
    while not stage.holds(play.email):
        time.sleep(0.001)
    first.raw.vanish()
    fails(stage.newcomer(), BY_EMAIL, play.email, "Ada")


def delivered_again(stage: Stage, play: Play) -> None:
    """A queue hands the same message to another worker a while later."""
    fails(stage.client(1), BY_EMAIL, play.email, "Ada")


def delivered(stage: Stage, play: Play) -> None:
    """A worker writes what a message says."""
    works(stage.client(0), BY_EMAIL, play.email, "Ada")


# --------------------------------------------------------------------------------------------------------------------
# race


def at_once(stage: Stage, play: Play) -> None:
    """Two sessions insert the same entry at the same time."""
    first, second = play.chance.sample((stage.client(0), stage.client(1)), 2)
    first.send(BY_EMAIL, play.email, "first")
    second.send(BY_EMAIL, play.email.upper() if play.number % 3 else play.email, "second")
    one_fails(first, second)


def the_same_at_once(stage: Stage, play: Play) -> None:
    """Two sessions insert the same row at the same time."""
    number_at_once(stage, play, "x", "x")


def numbers_at_once(stage: Stage, play: Play) -> None:
    """Two sessions insert the same entry of two numbers, under different names."""
    number_at_once(stage, play, "first", "second")


def number_at_once(stage: Stage, play: Play, *names: str) -> None:
    """Two sessions insert the same entry of two numbers, each under a name."""
    shop, clients = play.chance.randrange(9), (stage.client(0), stage.client(1))
    for client, name in zip(clients, names, strict=True):
        client.send(BY_NUMBER, shop, play.number, name)
    one_fails(*clients)


def waited_for(stage: Stage, play: Play) -> None:
    """One session inserts within a transaction; another one waits for its end."""
    first, second = stage.client(0), stage.client(1)
    works(first, "BEGIN")
    works(first, BY_EMAIL, play.email, "first")
    second.send(BY_EMAIL, play.email, "second")
    time.sleep(play.chance.uniform(0, 0.02))
    works(first, "COMMIT")
    met(second.read(), second)


def get_or_create(stage: Stage, play: Play) -> None:
    """Two sessions look for somebody, find nobody, and insert."""
    first, second = stage.client(0), stage.client(1)
    for client in (first, second):
        client.run(LOOK_BY_EMAIL, play.email)
    if play.number % 2:
        works(second, "BEGIN")
        works(second, "SAVEPOINT creating")
    works(first, BY_EMAIL, play.email, "first")
    fails(second, BY_EMAIL, play.email, "second")
    if play.number % 2:
        works(second, "ROLLBACK")


def created_elsewhere(stage: Stage, play: Play) -> None:
    """A session looks for somebody, whom another one inserts in a way that the proxy does not see."""
    client = stage.client(0)
    client.run(LOOK_BY_EMAIL, play.email)
    stage.plant((play.email, "elsewhere"))
    fails(client, BY_EMAIL, play.email, "here")


# --------------------------------------------------------------------------------------------------------------------
# bulk


def rows_of(play: Play) -> list[tuple[str, str]]:
    """Give rows of which two are of the same person."""
    chance = play.chance
    rows = [(f"{number}.{play.email}", f"name {number}") for number in range(chance.randrange(2, 20))]
    again = chance.choice(rows)
    rows.insert(chance.randrange(rows.index(again) + 1, len(rows) + 1), (again[0], "again"))
    return rows


def numbers_of(play: Play) -> list[tuple[int, int, str]]:
    """Give rows of which two are of the same shop and number."""
    rows = [(play.number, number, f"name {number}") for number in range(play.chance.randrange(2, 20))]
    return [*rows, (play.number, play.chance.randrange(len(rows)), "again")]


def within_itself(stage: Stage, play: Play) -> None:
    """One statement offers somebody twice."""
    rows = rows_of(play)
    text = f"INSERT INTO people (email, name) VALUES {', '.join(['(?, ?)'] * len(rows))}"
    fails(stage.client(0), text, *(value for row in rows for value in row))


def numbers_within_itself(stage: Stage, play: Play) -> None:
    """One statement offers an entry of two numbers twice."""
    rows = numbers_of(play)
    text = f"INSERT INTO people (shop, number, name) VALUES {', '.join(['(?, ?, ?)'] * len(rows))}"
    fails(stage.client(0), text, *(value for row in rows for value in row), key="ux_number")


def bulk_within_itself(stage: Stage, play: Play) -> None:
    """One bulk execution offers somebody twice."""
    client = stage.client(0)
    client.send_bulk(BY_EMAIL, *rows_of(play))
    met(client.read(), client)


# --------------------------------------------------------------------------------------------------------------------
# LOAD DATA, of which the proxy sees no rows


def file_of(stage: Stage, play: Play, *emails: str) -> str:
    """Write a file for the server; return the statement that loads it."""
    path = stage.files / f"{play.seed}-{play.number}.csv"
    path.write_text("".join(f"{email},loaded\n" for email in emails), encoding="utf-8")
    return f"LOAD DATA INFILE '{path}' INTO TABLE people FIELDS TERMINATED BY ',' (email, name)"


def loaded_twice(stage: Stage, play: Play) -> None:
    """A job loads its file a second time."""
    text = file_of(stage, play, play.email)
    works(stage.client(0), text)
    fails(stage.client(0), text)


def loaded_with_duplicates(stage: Stage, play: Play) -> None:
    """A file holds somebody twice."""
    fails(stage.client(0), file_of(stage, play, play.email, "b." + play.email, play.email))


# --------------------------------------------------------------------------------------------------------------------
# sequence


def behind(stage: Stage, play: Play) -> None:
    """The counter gives an id that a row has already, as after a restored backup."""
    taken = 1_000_000 * play.seed + play.number
    with stage.direct.cursor() as cursor:
        cursor.execute("INSERT INTO people (id, name) VALUES (%s, 'restored')", (taken,))
    client = stage.client(0)
    works(client, f"SET insert_id = {taken}")
    text, *values = play.chance.choice(
        (
            (BY_EMAIL, play.email, "new"),
            ("INSERT INTO people (id, email, name) VALUES (NULL, ?, ?)", play.email, "new"),
            ("INSERT INTO people SET email = ?, number = ?", play.email, play.number),
            ("INSERT INTO people (id, email) VALUES (?, ?)", None, play.email),
        )
    )
    fails(client, text, *values, key="PRIMARY")


# --------------------------------------------------------------------------------------------------------------------
# existing


def came_before(stage: Stage, play: Play) -> None:
    """Somebody is put into the table, around the proxy."""
    stage.plant((play.email, "long ago"))


def signed_up(stage: Stage, play: Play) -> None:
    """Somebody signs up."""
    works(stage.client(play.number % 2), BY_EMAIL, play.email, "long ago")


def again(stage: Stage, play: Play) -> None:
    """Somebody signs up, and is there already."""
    fails(stage.client(0), BY_EMAIL, play.email, "again")


def others_of(play: Play) -> list[tuple[str, str]]:
    """Give rows of which one is of somebody who is there."""
    rows = [(f"{number}.{play.email}", "new") for number in range(play.chance.randrange(1, 9))]
    rows.insert(play.chance.randrange(len(rows) + 1), (play.email, "again"))
    return rows


def again_among_others(stage: Stage, play: Play) -> None:
    """Several sign up, and one is there already."""
    rows = others_of(play)
    text = f"INSERT INTO people (email, name) VALUES {', '.join(['(?, ?)'] * len(rows))}"
    fails(stage.client(0), text, *(value for row in rows for value in row))


# --------------------------------------------------------------------------------------------------------------------
# Who is left


def named(*names: str) -> Callable[[Play], Names]:
    """The one whom it is about, by one of these names."""
    return lambda play: {play.email: set(names)}


def as_number(play: Play) -> Names:
    """Whoever was first, by shop and number."""
    return {(play.chance.randrange(9), play.number): {"x", "first", "second"}}


def all_rows(play: Play) -> Names:
    """Everybody, by the name that was offered first."""
    found: Names = {}
    for email, name in rows_of(play):
        found.setdefault(email, {name})
    return found


def all_numbers(play: Play) -> Names:
    """Every number, by the name that was offered first."""
    found: Names = {}
    for shop, number, name in numbers_of(play):
        found.setdefault((shop, number), {name})
    return found


def others(play: Play) -> Names:
    """The one who was there, and all others."""
    return {email: {"long ago" if email == play.email else "new"} for email, _ in others_of(play)}


SCENES = (
    Scene("sent twice", Cause.RETRY, sent_twice, named("Ada")),
    Scene("the answer was lost", Cause.RETRY, answer_lost, named("Ada")),
    Scene("delivered again", Cause.RETRY, delivered_again, named("Ada"), delivered),
    Scene("at once", Cause.RACE, at_once, named("first", "second")),
    Scene("the same at once", Cause.RACE, the_same_at_once, as_number),
    Scene("numbers at once", Cause.RACE, numbers_at_once, as_number),
    Scene("waited for", Cause.RACE, waited_for, named("first")),
    Scene("get or create", Cause.RACE, get_or_create, named("first")),
    Scene("created elsewhere", Cause.RACE, created_elsewhere, named("elsewhere")),
    Scene("within itself", Cause.BULK, within_itself, all_rows),
    Scene("numbers within itself", Cause.BULK, numbers_within_itself, all_numbers),
    Scene("bulk within itself", Cause.BULK, bulk_within_itself, all_rows, text=False, mysql=False),
    Scene("loaded twice", Cause.RETRY, loaded_twice, None),
    Scene("loaded with duplicates", Cause.UNKNOWN, loaded_with_duplicates, None),
    Scene("behind", Cause.SEQUENCE, behind, None),
    Scene("unseen", Cause.EXISTING, again, named("long ago"), came_before),
    Scene("seen", Cause.EXISTING, again, named("long ago"), signed_up),
    Scene("among others", Cause.EXISTING, again_among_others, others, signed_up),
)
