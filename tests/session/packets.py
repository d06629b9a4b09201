"""What clients and servers say, as the bytes of whole packets."""

from proxy.wire import capabilities as cap
from proxy.wire.lenenc import write_bytes
from tests.wire import packets as payloads
from tests.wire.packets import DEFINITION, packets

__all__ = ["packets"]


def split_packets(data: bytes) -> list[tuple[int, bytes]]:
    """Take bytes apart into packets (sequence id, payload) for a readable comparison; the last may be cut."""
    found = []
    while data:
        end = 4 + int.from_bytes(data[:3], "little")
        found.append((data[3] if len(data) > 3 else -1, data[4:end]))
        data = data[end:]
    return found


# --------------------------------------------------------------------------------------------------------------------
# The client


def command(code: int, rest: bytes = b"") -> bytes:
    """Say a command."""
    return packets(bytes((code,)) + rest, sequence=0)


def query(text: str | bytes) -> bytes:
    """Say COM_QUERY in a session without query attributes."""
    return command(0x03, text.encode() if isinstance(text, str) else text)


def login(
    user: str, schema: str = "", *, flags: int, charset: int = 45, plugin: bytes = b"", auth: bytes = b""
) -> bytes:
    """Make the payload of a HandshakeResponse41."""
    flags |= cap.CONNECT_WITH_DB if schema else 0
    start = flags.to_bytes(4, "little") + b"\0\0\0\1" + bytes((charset,)) + bytes(23)
    names = user.encode() + b"\0" + bytes((len(auth),)) + auth + (schema.encode() + b"\0" if schema else b"")
    return start + names + (plugin + b"\0" if flags & cap.PLUGIN_AUTH else b"")


def ssl_request(response: bytes) -> bytes:
    """Make the payload of the SSLRequest that comes before a response."""
    return (int.from_bytes(response[:4], "little") | cap.SSL).to_bytes(4, "little") + response[4:32]


# --------------------------------------------------------------------------------------------------------------------
# The backend


def ok(
    affected: int = 0, insert_id: int = 0, *, status: int = 2, warnings: int = 0, info: bytes = b"", sequence: int = 1
) -> bytes:
    """Say OK."""
    return packets(payloads.ok(affected, insert_id, status, warnings, info), sequence=sequence)


def ok_with_changes(*changes: tuple[int, bytes], status: int = 2) -> bytes:
    """Say OK with session state changes: their types and data."""
    block = b"".join(bytes((kind,)) + write_bytes(data) for kind, data in changes)
    payload = payloads.ok(status=status | cap.STATUS_SESSION_STATE_CHANGED) + b"\0" + write_bytes(block)
    return packets(payload)


def error(number: int, message: str = "", state: str = "HY000", *, sequence: int = 1) -> bytes:
    """Say ERR."""
    return packets(payloads.error(number, message, state), sequence=sequence)


def duplicate(entry: str, key: str, *, sequence: int = 1) -> bytes:
    """Say that an entry is there already; MySQL puts the table before the key."""
    return error(1062, f"Duplicate entry '{entry}' for key '{key}'", "23000", sequence=sequence)


def refusal(*, sequence: int = 1) -> bytes:
    """Say what MySQL says where a guard refuses a row."""
    text = "BIGINT UNSIGNED value is out of range in '(18446744073709551615 + 7001062)'"
    return error(1690, text, "22003", sequence=sequence)


def result(*rows: tuple[bytes, ...], status: int = 2, sequence: int = 1) -> bytes:
    """Say a result set of as many columns as the first row has (one if there is none), without DEPRECATE_EOF."""
    columns = len(rows[0]) if rows else 1
    said = [bytes((columns,)), *[DEFINITION] * columns, payloads.eof(status)]
    said += [payloads.row(*row) for row in rows]
    return packets(*said, payloads.eof(status), sequence=sequence)
