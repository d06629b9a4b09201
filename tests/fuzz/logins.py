"""Makes what no login begins with, or what goes wrong in the middle of one; the same for the same seed."""

from collections.abc import Callable
from random import Random

from proxy.wire import capabilities as cap
from tests.e2e.raw import framed
from tests.wire.captured import MARIADB_CLIENT, MYSQL_CLIENT, MYSQL_SSL_REQUEST, PYMYSQL

LOGINS = (MYSQL_CLIENT, MARIADB_CLIENT, PYMYSQL)
FLIPPED = ~(cap.SSL | cap.COMPRESS | cap.ZSTD | cap.PROTOCOL_41)
"""The capabilities that a case may turn over: not TLS, compression and protocol 4.1, which server and proxy settle each
in their own way."""
LENGTHS = (b"\xfb", b"\xfc", b"\xfc\xff\xff", b"\xfd\xff\xff\xff", b"\xfe" + b"\xff" * 8, b"\xff", b"\0")
OTHER_PROTOCOLS = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.6\r\n",
    b"*1\r\n$4\r\nPING\r\n",
    b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
    b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(64)),
    b"\0\0\0\x08\x04\xd2\x16\x2f",  # PostgreSQL's SSLRequest
    b"\0\0\0\x17\0\x03\0\0user\0postgres\0\0",
    b"\x03\0\0\x13\x0e\xe0\0\0\0\0\0\x01\0\x08\0\x03\0\0\0",  # RDP
    b"EHLO localhost\r\n",
    b"\x05\x01\0",  # SOCKS
)


def noise(random: Random) -> bytes:
    """Bytes of no protocol."""
    return random.randbytes(random.randint(1, 80))


def other_protocol(random: Random) -> bytes:
    """What a client of something else says, perhaps not to its end."""
    text = random.choice(OTHER_PROTOCOLS)
    return text[: random.choice((len(text), random.randint(1, len(text))))]


def noise_in_a_packet(random: Random) -> bytes:
    """A packet of nothing that means anything; not a request for TLS, behind which a server waits."""
    payload = bytearray(random.randbytes(random.randint(0, 80)))
    payload[1:2] = bytes(byte & 0xF7 for byte in payload[1:2])
    return framed(bytes(payload), random.choice((1, 1, 1, 0, 200)))


def cut(random: Random) -> bytes:
    """A login whose client goes away in the middle."""
    whole = framed(random.choice(LOGINS), 1)
    return whole[: random.randint(1, len(whole) - 1)]


def short(random: Random) -> bytes:
    """A login that ends too soon, in a packet that is whole."""
    login = random.choice(LOGINS)
    return framed(login[: random.randint(0, len(login) - 1)], 1)


def changed(random: Random) -> bytes:
    """A login of which some bytes are others."""
    login = bytearray(random.choice(LOGINS))
    for _ in range(random.randint(1, 6)):
        login[random.randrange(4, len(login))] = random.randrange(256)
    return framed(bytes(login), 1)


def flipped(random: Random) -> bytes:
    """A login that asks for other capabilities than what follows is written for."""
    login = random.choice(LOGINS)
    flags = int.from_bytes(login[:4], "little")
    for _ in range(random.randint(1, 4)):
        flags ^= (1 << random.randrange(32)) & FLIPPED
    return framed(flags.to_bytes(4, "little") + login[4:], 1)


def wrong_length(random: Random) -> bytes:
    """A login whose strings are not as long as it says."""
    login = bytearray(random.choice(LOGINS))
    at = random.randrange(32, len(login))
    login[at : at + random.randint(0, 2)] = random.choice(LENGTHS)
    return framed(bytes(login), 1)


def wrong_header(random: Random) -> bytes:
    """A login in a packet that says it is longer, or shorter, or another one."""
    packet = bytearray(framed(random.choice(LOGINS), 1))
    packet[random.randrange(4)] = random.randrange(256)
    return bytes(packet)


def long_announced(random: Random) -> bytes:
    """The beginning of a packet of many MiB."""
    size = random.choice((0xFFFFFF, 0x100001, 0x800000))
    return size.to_bytes(3, "little") + b"\1" + random.choice(LOGINS)[: random.randint(0, 40)]


def more_behind(random: Random) -> bytes:
    """A login with something behind it that nobody has asked for."""
    behind = random.choice((noise, noise_in_a_packet, flipped))
    return framed(random.choice(LOGINS), 1) + behind(random)


def false_tls(random: Random) -> bytes:
    """A request for TLS, and then no handshake."""
    request = framed(MYSQL_SSL_REQUEST, 1)
    return request + random.choice((noise, noise_in_a_packet, cut, lambda _: request, other_protocol))(random)


KINDS: tuple[Callable[[Random], bytes], ...] = (
    noise,
    other_protocol,
    noise_in_a_packet,
    cut,
    short,
    changed,
    flipped,
    wrong_length,
    wrong_header,
    long_announced,
    more_behind,
    false_tls,
)
