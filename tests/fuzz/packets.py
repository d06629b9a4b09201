"""Makes what is no command, or a command that is not as it should be, for a session that has logged in."""

from collections.abc import Callable
from random import Random

from tests.e2e import raw
from tests.e2e.raw import command, framed

# Not among them: what ends the server or other sessions, and what answers with times and counters.
CODES = (
    *(0x00, raw.INIT_DB, raw.QUERY, raw.FIELD_LIST, 0x05, 0x06, 0x0B, raw.DEBUG, raw.PING, 0x0F, 0x10),
    *(raw.CHANGE_USER, 0x13, 0x14, raw.PREPARE, raw.EXECUTE, raw.LONG_DATA, raw.CLOSE, raw.RESET, raw.SET_OPTION),
    *(raw.FETCH, raw.RESET_CONNECTION, raw.BULK_EXECUTE, 0x1D, 0x21, 0x42, 0xFB, 0xFE, 0xFF),
)
PREPARED = (b"\1\0\0\0", b"\xff\xff\xff\xff")  # MySQL's id of a session's first statement, MariaDB's of the last one
ON_STATEMENTS = (raw.EXECUTE, raw.LONG_DATA, raw.CLOSE, raw.RESET, raw.FETCH, raw.BULK_EXECUTE)


def noise(random: Random) -> bytes:
    """Bytes that are no packets."""
    return random.randbytes(random.randint(1, 80))


def body_of_noise(random: Random) -> bytes:
    """A command with a body that it cannot have."""
    return command(random.choice(CODES), random.randbytes(random.randint(0, 40)))


def on_a_statement(random: Random) -> bytes:
    """A command on a statement that is there or not, with values that are none."""
    statement = random.choice((*PREPARED, random.randbytes(4)))
    body = (statement + random.randbytes(random.randint(0, 30)))[random.choice((0, 0, 0, 1, 2)) :]
    return command(raw.PREPARE, b"SELECT ?, ?") + command(random.choice(ON_STATEMENTS), body)


def cut(random: Random) -> bytes:
    """A command that ends in the middle."""
    whole = command(raw.QUERY, b"SELECT 'a text of some length'")
    return whole[: random.randint(1, len(whole) - 1)]


def out_of_order(random: Random) -> bytes:
    """A command whose packet says that others came before it."""
    return framed(b"\x03SELECT 1", random.randint(1, 255))


def wrong_length(random: Random) -> bytes:
    """A command that is longer or shorter than its header says, with another one behind it."""
    packet = bytearray(command(raw.QUERY, b"SELECT 1") + command(raw.QUERY, b"SELECT 2"))
    packet[random.choice((0, 0, 0, 1, 2))] = random.randrange(256)
    return bytes(packet)


def empty(random: Random) -> bytes:
    """Packets with nothing in them, and then a command."""
    return framed(b"", random.choice((0, 0, 1))) * random.randint(1, 3) + command(random.choice(CODES))


def among_good_ones(random: Random) -> bytes:
    """Commands in one go, of which one is not as it should be."""
    good = [command(raw.QUERY, b"SELECT %d" % number) for number in range(random.randint(1, 4))]
    bad = random.choice((body_of_noise, on_a_statement, out_of_order, empty, noise))(random)
    good.insert(random.randint(0, len(good)), bad)
    return b"".join(good)


def long_announced(random: Random) -> bytes:
    """The beginning of a command of many MiB."""
    size = random.choice((0xFFFFFF, 0x800000, 0x100001))
    code = random.choice((raw.QUERY, raw.EXECUTE, raw.LONG_DATA, raw.CHANGE_USER))
    return size.to_bytes(3, "little") + b"\0" + bytes((code,)) + random.randbytes(random.randint(0, 40))


KINDS: tuple[Callable[[Random], bytes], ...] = (
    noise,
    body_of_noise,
    on_a_statement,
    cut,
    out_of_order,
    wrong_length,
    empty,
    among_good_ones,
    long_announced,
)
