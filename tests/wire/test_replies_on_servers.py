"""The tracker finds the ends that real servers set, told by their sequence ids alone."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from proxy.wire import capabilities as cap
from proxy.wire import commands
from proxy.wire.replies import Event, ReplyTracker
from tests import raw
from tests.raw import Raw, logged_in
from tests.servers.launch import Server
from tests.wire.following import follow
from tests.wire.packets import ok, packets

BEHIND = packets(ok())
MARIADB_ALL = raw.MARIADB_PROGRESS | raw.MARIADB_BULK | raw.MARIADB_EXTENDED_METADATA | raw.MARIADB_CACHE_METADATA
TERMS = {
    "mysql": [
        (0, 0),
        (cap.DEPRECATE_EOF, 0),
        (cap.OPTIONAL_METADATA, 0),
        (cap.DEPRECATE_EOF | cap.OPTIONAL_METADATA, 0),
    ],
    "mariadb": [(0, 0), (cap.DEPRECATE_EOF, 0), (0, MARIADB_ALL), (cap.DEPRECATE_EOF, MARIADB_ALL)],
}


@dataclass
class Conversation:
    """Runs commands on a server and holds a tracker to each reply."""

    session: Raw
    tracker: ReplyTracker

    def run(self, command: bytes) -> list[bytes]:
        reply = self.session.run(command)
        sent = packets(*reply)
        code = command[0] if command else 0
        for pieces in ((sent + BEHIND,), [*(sent[at : at + 1] for at in range(len(sent))), BEHIND]):
            found = follow(self.tracker, code, pieces)
            assert found.ended, (command, reply)
            assert found.rest == BEHIND, (command, reply)
            assert found.looked_at[-1][0] is Event.END or found.looked_at[-1][1] not in reply[-1:]
        return reply

    def query(self, text: str) -> list[bytes]:
        return self.run(b"\x03" + text.encode())

    def prepare(self, text: str) -> bytes:
        return self.run(b"\x16" + text.encode())[0][1:5]

    def execute(self, statement: bytes, values: bytes = b"", *, cursor: bool = False) -> list[bytes]:
        return self.run(b"\x17" + statement + bytes((cursor,)) + b"\1\0\0\0" + values)

    def fetch(self, statement: bytes, rows: int) -> list[bytes]:
        return self.run(b"\x1c" + statement + rows.to_bytes(4, "little"))


@pytest.fixture(params=range(4))
def conversation(request: pytest.FixtureRequest, server: Server, database: str) -> Iterator[Conversation]:
    """A session on each server under each set of terms, in a schema with a table of three rows."""
    capabilities, mariadb = TERMS[server.name][request.param]
    with logged_in(server, raw.USUAL | capabilities, mariadb) as session:
        talk = Conversation(session, ReplyTracker(raw.USUAL | capabilities, mariadb))
        talk.run(b"\2" + database.encode())
        talk.query("CREATE TABLE t (id INT PRIMARY KEY, v INT)")
        talk.query("INSERT INTO t VALUES (1, 1), (2, 2), (3, 3)")
        yield talk


def modes(conversation: Conversation, server: Server) -> Iterator[None]:
    """Go through the values of resultset_metadata, where the session has the capability for it."""
    yield
    if not server.mariadb and not conversation.query("SET resultset_metadata = NONE")[0][0]:
        yield


def test_text(conversation: Conversation, server: Server) -> None:
    for _ in modes(conversation, server):
        conversation.query("SELECT * FROM t")
        conversation.query("SELECT * FROM t WHERE 0")
        conversation.query("SELECT 1; DO 1; SELECT 2")
        conversation.query("SELECT 1; nonsense; SELECT 2")
        conversation.query("SELECT id, (SELECT 1 FROM (SELECT 1 UNION SELECT 2) x WHERE t.id = 3) FROM t")
        conversation.query("SELECT REPEAT('x', 70000) UNION ALL SELECT NULL UNION ALL SELECT ''")
        conversation.query("")
        conversation.run(b"")


def test_procedures(conversation: Conversation, server: Server) -> None:
    conversation.query("CREATE PROCEDURE p(OUT a INT) BEGIN SET a = 5; SELECT 1; SELECT id FROM t; END")
    statement = conversation.prepare("CALL p(?)")
    for _ in modes(conversation, server):
        conversation.query("CALL p(@a)")
        conversation.execute(statement, b"\0\1\x08\0" + bytes(8))


def test_prepared_statements(conversation: Conversation, server: Server) -> None:
    values = b"\0\1\x08\0" + bytes(8)
    for _ in modes(conversation, server):
        both = conversation.prepare("SELECT * FROM t WHERE id > ?")
        conversation.execute(both, values)
        conversation.execute(both, values)
        conversation.execute(conversation.prepare("SELECT * FROM t"))
        conversation.execute(conversation.prepare("UPDATE t SET v = ?"), values)
        conversation.execute(conversation.prepare("DO 1"))
        conversation.prepare("nonsense")
        conversation.run(b"\x1a" + both)


def test_cursors(conversation: Conversation, server: Server) -> None:
    for _ in modes(conversation, server):
        statement = conversation.prepare("SELECT * FROM t")
        assert len(conversation.execute(statement, cursor=True)) <= 4
        conversation.query("DO 1")
        assert len(conversation.fetch(statement, 1)) == 2
        assert len(conversation.fetch(statement, 9)) == 3
        conversation.fetch(statement, 9)


def test_the_other_commands(conversation: Conversation, server: Server) -> None:
    for _ in modes(conversation, server):
        for command in (b"\x04t\0", b"\x04nowhere\0", b"\x09", b"\x0a", b"\x0c\0\0\0\0", b"\x0d", b"\x0e", b"\x1b\0\0"):
            conversation.run(command)
    conversation.run(b"\x1f")


def test_columns_are_left_out_where_the_client_knows_them(server: Server, database: str) -> None:
    """What the cases above rest on: the servers do leave definitions out."""
    capabilities, mariadb = TERMS[server.name][3]
    with logged_in(server, raw.USUAL | capabilities, mariadb) as session:
        if server.mariadb:
            statement = session.prepare("SELECT 1, 2").to_bytes(4, "little")
            reply = session.run(b"\x17" + statement + b"\0\1\0\0\0")
        else:
            session.query("SET resultset_metadata = NONE")
            reply = session.query("SELECT 1, 2")
    assert reply[0] == b"\2\0"
    assert len(reply) == 3


def test_local_infile(conversation: Conversation) -> None:
    session = conversation.session
    session.send(b"\x03LOAD DATA LOCAL INFILE 'x' INTO TABLE t")
    asked = packets(session.packet()[1])
    session.send(b"7\t7\n", 2)
    session.send(b"", 3)
    answers = [session.packet()[1]]
    while answers[-1][:3] == b"\xff\xff\xff":
        answers.append(session.packet()[1])
    found = follow(conversation.tracker, commands.QUERY, (asked, packets(*answers) + BEHIND))
    assert found.rest == BEHIND
    assert found.looked_at[0][0] is Event.LOCAL_INFILE


def test_progress_reports(server: Server, database: str) -> None:
    """MariaDB sends them for an ALTER TABLE that copies; MySQL has none."""
    with logged_in(server, raw.USUAL, raw.MARIADB_PROGRESS | raw.MARIADB_BULK if server.mariadb else 0) as session:
        talk = Conversation(session, ReplyTracker(raw.USUAL, raw.MARIADB_PROGRESS))
        talk.run(b"\2" + database.encode())
        talk.query("CREATE TABLE big (id INT PRIMARY KEY AUTO_INCREMENT, c VARCHAR(200))")
        talk.query("INSERT INTO big (c) VALUES ('x')")
        for _ in range(9):
            talk.query("INSERT INTO big (c) SELECT REPEAT('y', 100) FROM big")
        reply = talk.query("ALTER TABLE big ADD KEY (c), ALGORITHM = COPY")
        assert (len(reply) > 1) is server.mariadb
