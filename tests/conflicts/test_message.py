# ruff: noqa: RUF001  (letters that look like others are these languages' own)
import time
from collections.abc import Iterator

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from proxy.conflicts import templates
from proxy.conflicts.message import (
    CHARSETS,
    ER_DUP_ENTRY,
    MAX_TEXT,
    NOTHING,
    UNKNOWN,
    Duplicate,
    is_duplicate,
    parse,
    split_key,
)

ENGLISH = "Duplicate entry '%s' for key '%s'"

# Seen on MySQL 9.7 and MariaDB 10.11 under each lc_messages.
MEASURED = [
    "Duplicate entry '%s' for key '%s'",
    "Zvojený klíč '%s' (číslo klíče '%s')",
    "Ens værdier '%s' for indeks '%s'",
    "Dubbele ingang '%s' voor zoeksleutel '%s'",
    "Kattuv väärtus '%s' võtmele '%s'",
    "Duplicata du champ '%s' pour la clef '%s'",
    "Doppelter Eintrag '%s' für Schlüssel '%s'",
    "Διπλή εγγραφή '%s' για το κλειδί '%s'",
    "Duplikalt bejegyzes '%s' a '%s' kulcs szerint",
    "Duplikalt bejegyzes '%s' a '%s' kulcs szerint.",
    "Valore duplicato '%s' per la chiave '%s'",
    "'%s' は索引 '%s' で重複しています。",
    "중복된 입력 값 '%s': key '%s'",
    "Like verdier '%s' for nøkkel '%s'",
    "Like verdiar '%s' for nykkel '%s'",
    "Powtórzone wystąpienie '%s' dla klucza '%s'",
    "Entrada '%s' duplicada para a chave '%s'",
    "Cimpul '%s' e duplicat pentru cheia '%s'",
    "Дублирующаяся запись '%s' по ключу '%s'",
    "Dupliran unos '%s' za ključ '%s'",
    "Opakovaný kľúč '%s' (číslo kľúča '%s')",
    "Entrada duplicada '%s' para la clave '%s'",
    "Dublett '%s' för nyckel '%s'",
    "Дублюючий запис '%s' для ключа '%s'",
    "დუბლირებული ჩანაწერი '%s' გასაღებისთვის '%s'",
    "重复条目'%s'键'%s'",
]

# What a client may have stored, among it whatever looks like the text around it.
ENTRIES = [
    "a",
    "",
    "1-2-3",
    "O'Brien",
    "O'Brien' for key 't.PRIMARY",
    "x' for key 'other.fake' for key 'another",
    "'",
    "''",
    "line\nbreak\r\n",
    "tab\t\\ back",
    r"\x00\xFFA",
    "a" * 61 + "...",
    "é" * 32,
    "%s %d {}",
    "' は索引 'x",
    "Duplicate entry 'a' for key 'b'",
]
# The table and the key, as the server sends them and as they are.
KEYS = [
    ("t.uk", "t", "uk"),
    ("t.PRIMARY", "t", "PRIMARY"),
    ("t.x'y", "t", "x'y"),
    ("t`x.k`y", "t`x", "k`y"),
    ('t".k"', 't"', 'k"'),
    ("tä.ключ", "tä", "ключ"),
    ("t.a b", "t", "a b"),
]

TEXT = st.text(st.characters(codec="utf-8"))
NAME = st.text(st.characters(codec="utf-8"), min_size=1)


def encodings(text: str) -> Iterator[tuple[str, bytes]]:
    for charset in CHARSETS:
        yield charset, b"".join(char.encode(charset, "ignore") or b"\\%04X" % ord(char) for char in text)


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("template", MEASURED)
def test_the_last_key_is_the_key_in_every_language(template: str, entry: str) -> None:
    for sent, table, key in KEYS:
        message = (template % (entry, sent)).encode()
        assert parse(1062, message, mariadb=False) == Duplicate(entry, table, key)
        assert parse(1062, message, mariadb=True) == Duplicate(entry, None, sent)


@pytest.mark.parametrize("template", MEASURED)
def test_the_text_may_come_in_any_charset(template: str) -> None:
    for charset, message in encodings(template % ("O'Brien", "users.ux_email")):
        assert parse(1062, message, mariadb=False) == Duplicate("O'Brien", "users", "ux_email"), charset


def test_mariadbs_sjis_escapes_without_a_backslash() -> None:
    message = b"Doppelter Eintrag 'a' f\x81_00FCr Schl\x81_00FCssel 'uk'"
    assert parse(1062, message, mariadb=True) == Duplicate("a", None, "uk")


def test_every_measured_template_is_known() -> None:
    assert set(templates.DUP_ENTRY) == set(MEASURED)


@pytest.mark.parametrize("text", templates.AUTO_INCREMENT)
def test_resequencing_is_a_1062_with_another_text(text: str) -> None:
    assert parse(1062, (text % ("1", "t.PRIMARY")).encode(), mariadb=False) == Duplicate("1", "t", "PRIMARY")
    assert parse(1569, (text % ("1", "PRIMARY")).encode(), mariadb=True) == Duplicate("1", None, "PRIMARY")


def test_an_exhausted_auto_increment_names_its_key() -> None:
    message = b"Duplicate entry '127' for key 't.PRIMARY'"
    assert parse(ER_DUP_ENTRY, message, mariadb=False) == Duplicate("127", "t", "PRIMARY")


@pytest.mark.parametrize("text", templates.FOREIGN_WITH_CHILD)
def test_1761_names_the_child_table_and_its_key(text: str) -> None:
    for entry in ("2", "2', record '3", "x' would lead to a duplicate entry in table 'no', key 'none"):
        message = (text % ("pb", entry, "ch", "u.x")).encode()
        for mariadb in (True, False):
            assert parse(1761, message, mariadb) == Duplicate(entry, "ch", "u.x")


def test_1761_without_its_record_tells_nothing() -> None:
    message = b"Foreign key constraint for table 'pb' would lead to a duplicate entry in table 'ch', key 'ux'"
    assert parse(1761, message, mariadb=False) == NOTHING


@pytest.mark.parametrize("text", templates.FOREIGN_WITHOUT_CHILD)
def test_1762_names_neither_table_nor_key(text: str) -> None:
    assert parse(1762, (text % ("pb", "2")).encode(), mariadb=False) == Duplicate("2", None, UNKNOWN)


@pytest.mark.parametrize("text", templates.DUP_KEY)
def test_1022_names_the_table(text: str) -> None:
    assert parse(1022, (text % "t.x").encode(), mariadb=False) == Duplicate(None, "t.x", UNKNOWN)


@pytest.mark.parametrize("text", templates.DUP_UNKNOWN)
def test_1859_names_the_key(text: str) -> None:
    assert parse(1859, (text % "u.x").encode(), mariadb=False) == Duplicate(None, None, "u.x")


def test_1586_is_read_like_1062() -> None:
    assert parse(1586, b"Duplicate entry 'a' for key 't.k'", mariadb=False) == Duplicate("a", "t", "k")


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"'",
        b"''",
        b"Duplicate entry 'a' for key 't.k",
        b"Duplicate entry 'a' for key '",
        b"Duplicate entry 'a' for ke",
        b"Duplicate entry 'a' for key 't.k' (errno 1062)",
        b"Duplicate entry 'a' for key 3",
        b"email 'a' is taken by 'b'",
        b"' a '",
        b"\0\0\0",
        b"\0'",
    ],
)
def test_a_text_that_is_cut_or_nobodys_tells_nothing(message: bytes) -> None:
    assert parse(1062, message, mariadb=False) == NOTHING


@pytest.mark.parametrize("template", MEASURED)
def test_a_text_cut_anywhere_tells_nothing(template: str) -> None:
    message = (template % ("entry", "table.key")).encode()
    # MySQL's Hungarian without its full stop is MariaDB's.
    whole = message.removesuffix(b".") if "kulcs" in template else message
    for end in range(len(whole)):
        assert parse(1062, message[:end], mariadb=False) == NOTHING


@pytest.mark.parametrize("errno", [1022, 1859])
def test_the_shortest_texts_of_relatives_tell_nothing(errno: int) -> None:
    for layout in (templates.DUP_KEY, templates.DUP_UNKNOWN):
        for text in layout:
            assert parse(errno, (text % "").encode(), mariadb=False) == NOTHING
            assert parse(errno, text.partition("%s")[0].encode(), mariadb=False) == NOTHING


def test_mysqls_word_for_an_unknown_key_is_ours() -> None:
    assert parse(1062, b"Duplicate entry '' for key '*UNKNOWN*'", mariadb=False) == Duplicate("", None, UNKNOWN)


def test_an_empty_key_is_unknown() -> None:
    assert parse(1062, b"Duplicate entry 'a' for key ''", mariadb=True) == Duplicate("a", None, UNKNOWN)


def test_bytes_that_are_not_utf8_are_spelled_out() -> None:
    message = b"Duplicate entry '\xe9' for key 't\xe9.k\xff'"
    assert parse(1062, message, mariadb=False) == Duplicate(r"\xe9", r"t\xe9", r"k\xff")
    assert parse(1062, message, mariadb=False, expected_table="t\udce9") == Duplicate(r"\xe9", r"t\xe9", r"k\xff")


@pytest.mark.parametrize(
    ("key", "expected", "split"),
    [
        ("t.k", None, ("t", "k")),
        ("t.k", "other", ("t", "k")),
        ("t.x.k", None, ("t", "x.k")),
        ("t.x.k", "t", ("t", "x.k")),
        ("t.x.k", "t.x", ("t.x", "k")),
        ("T.X.k", "t.x", ("T.X", "k")),
        ("t.x.PRIMARY", None, ("t.x", "PRIMARY")),
        ("tx.k", "t", ("tx", "k")),
        ("k", "t", (None, "k")),
        ("k", None, (None, "k")),
        (".k", None, (None, ".k")),
        ("k.", None, (None, "k.")),
        (".PRIMARY", None, (None, "PRIMARY")),
        ("", "t", (None, "")),
        ("İ.k", "i̇", ("İ", "k")),
    ],
)
def test_split_key(key: str, expected: str | None, split: tuple[str | None, str]) -> None:
    assert split_key(key, expected) == split


def test_is_duplicate() -> None:
    assert [errno for errno in range(5000) if is_duplicate(errno)] == [1022, 1062, 1569, 1586, 1761, 1762, 1859]


@given(entry=TEXT, table=NAME, key=NAME, template=st.sampled_from(MEASURED))
def test_any_entry_gives_the_key_back(entry: str, table: str, key: str, template: str) -> None:
    middle = template.split("%s")[1]
    names = f"{table}.{key}"
    assume(middle not in names and "\0" not in entry + names and key != "*UNKNOWN*")
    message = (template % (entry, names)).encode()
    assume(len(message) <= MAX_TEXT)
    assert parse(1062, message, mariadb=False, expected_table=table) == Duplicate(entry, table, key)


@given(st.binary(max_size=200), st.booleans())
def test_no_bytes_break_it_and_all_text_is_valid(message: bytes, mariadb: bool) -> None:
    for errno in (1062, 1761, 1022):
        for framed in (message, b"Duplicate entry '" + message + b"' for key '" + message + b"'"):
            duplicate = parse(errno, framed, mariadb, "t")
            for text in (duplicate.entry, duplicate.table, duplicate.key):
                (text or "").encode("utf-8")


def test_what_is_too_long_for_a_server_is_not_read() -> None:
    assert parse(1062, (ENGLISH % ("a" * MAX_TEXT, "t.k")).encode(), mariadb=False) == NOTHING


def test_an_unknown_text_costs_little() -> None:
    parse(1062, b"?", mariadb=False)
    start = time.process_time()
    for _ in range(100):
        parse(1062, b"Duplicate entry '" + b"' for key " * 200, mariadb=False)
    assert time.process_time() - start < 1
