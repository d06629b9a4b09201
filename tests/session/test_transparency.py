"""Any conversation, cut in any way, with any number of commands in flight, reaches the other side byte by byte."""

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.wire import capabilities as cap
from proxy.wire import commands
from tests.session.conversation import USUAL, Delivery, logged_in, rules
from tests.session.packets import command, duplicate, error, ok, packets, query
from tests.wire import packets as payloads
from tests.wire.packets import DEFINITION, MORE_RESULTS, prepared, progress, row

IN_FORCE = rules("- {name: r, table: shop.users, key: ux_email, columns: [email], action: ignore}")
MORE = 2 | MORE_RESULTS

Exchange = tuple[bytes, bytes]


def exchanges(deprecate_eof: bool) -> list[Exchange]:
    """Commands with their replies, none of which a rule is for."""
    end = payloads.ok_as_eof() if deprecate_eof else payloads.eof()
    end_of_more = payloads.ok_as_eof(MORE) if deprecate_eof else payloads.eof(MORE)
    middle = () if deprecate_eof else (payloads.eof(),)
    rows = (row(b"1"), row(None), row(b"x" * 300))
    definitions = (b"\1", DEFINITION, *middle)
    return [
        (query("SELECT 1"), packets(*definitions, *rows, end)),
        (query("SELECT 1 FROM t WHERE 0"), packets(*definitions, end)),
        (query("select broken"), packets(*definitions, rows[0], payloads.error(1317, "interrupted", "70100"))),
        (query("SELECT 1; DO 1"), packets(*definitions, *rows, end_of_more, payloads.ok())),
        (query("UPDATE t SET a = '" + "x" * 2000 + "'"), ok(3, info=b"Rows matched: 3")),
        (query("INSERT INTO orders VALUES (1)"), ok(1, 300)),
        (query("INSERT INTO orders VALUES (1)"), duplicate("1", "orders.PRIMARY")),
        (query("SET @a = 1"), ok()),
        (query("ALTER TABLE t ADD KEY (a)"), packets(progress(), progress(), payloads.ok())),
        (query(b"\xff\xfe"), error(1064, "You have an error", "42000")),
        (command(0x0E), ok()),
        (command(0x09), packets(b"Uptime: 1")),
        (
            command(commands.STMT_PREPARE, b"SELECT ?"),
            packets(prepared(1, 1), DEFINITION, *middle, DEFINITION, *middle),
        ),
        (command(commands.STMT_PREPARE, b"DO 1"), packets(prepared(0, 0))),
        (command(commands.STMT_EXECUTE, b"\7\0\0\0\0\1\0\0\0"), packets(*definitions, b"\0\0\1\0\0\0", end)),
        (command(commands.STMT_EXECUTE, b"\7\0\0\0\0\1\0\0\0"), ok(1)),
        (command(commands.STMT_FETCH, b"\7\0\0\0\1\0\0\0"), packets(b"\0\0\1\0\0\0", end)),
        (command(commands.STMT_CLOSE, b"\7\0\0\0"), b""),
        (command(commands.STMT_SEND_LONG_DATA, b"\7\0\0\0\0\0" + b"x" * 50), b""),
        (command(commands.RESET_CONNECTION), ok()),
        (packets(b"", sequence=0), error(1047, "Unknown command", "08S01")),
    ]


@settings(deadline=None)
@given(
    st.booleans(),
    st.lists(st.lists(st.integers(0, 20), min_size=1, max_size=5), max_size=6),
    st.data(),
)
def test_not_a_byte_changes(deprecate_eof: bool, batches: list[list[int]], data: st.DataObject) -> None:
    flags = USUAL | (cap.DEPRECATE_EOF if deprecate_eof else 0)
    table = exchanges(deprecate_eof)
    with logged_in(Delivery(), IN_FORCE, flags=flags) as talk:
        client, backend = talk
        for batch in batches:
            said = b"".join(table[number][0] for number in batch)
            answered = b"".join(table[number][1] for number in batch)
            for side, other, stream in ((client, backend, said), (backend, client, answered)):
                cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
                for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
                    if start < end:
                        side >> stream[start:end]
                other << stream
            assert talk.session.idle
        assert talk.rewrites == {}
        assert talk.skipped == []


@settings(deadline=None)
@given(st.binary(max_size=300), st.data())
def test_whatever_a_client_sends_is_passed_on_or_ends_the_session(stream: bytes, data: st.DataObject) -> None:
    """No bytes make the session fail in any other way; while it lives, what it has passed on is what was sent."""
    with logged_in(Delivery(), IN_FORCE) as talk:
        cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=4)))
        for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
            if start < end:
                talk.client >> stream[start:end]
        passed = bytes(talk.backend.said)
        assert talk.session.closed or stream.startswith(passed)
        talk.backend.said.clear()
        talk.client.said.clear()


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_whatever_a_backend_sends_is_passed_on_or_ends_the_session(stream: bytes) -> None:
    """What waits to become a whole packet is passed on when the backend ends."""
    with logged_in(Delivery(), IN_FORCE) as talk:
        talk.client >> query("SELECT 1")
        talk.backend << query("SELECT 1")
        talk.backend >> stream
        ended = talk.session.closed
        talk.session.backend_lost()
        passed = bytes(talk.client.said)
        assert stream.startswith(passed) if ended else stream == passed
        talk.client.said.clear()
