import pytest

from proxy.sql.head import VERBS, Head, head, heads_behind


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"INSERT INTO t VALUES (1)", Head("insert", None, "t")),
        (b"insert t set a = 1", Head("insert", None, "t")),
        (b"INSERT IGNORE INTO s.t (a) SELECT 1", Head("insert", "s", "t")),
        (b"INSERT LOW_PRIORITY IGNORE `s``x` . `t.u` VALUES (1)", Head("insert", "s`x", "t.u")),
        (b'INSERT INTO "s"."t""u" VALUES (1)', Head("insert", "s", 't"u')),
        (b"/* route */ -- x\n# y\n INSERT /*+ h */ INTO/**/t(a) VALUES (1)", Head("insert", None, "t")),
        (b"/*!40000 INSERT */ /*!50000 IGNORE */ INTO t VALUES (1)", Head("insert", None, "t")),
        (b"/*M!100100 INSERT INTO t VALUES (1) */", Head("insert", None, "t")),
        ("INSERT INTO größe VALUES (1)".encode(), Head("insert", None, "größe")),
        (b"REPLACE DELAYED INTO t VALUES (1)", Head("replace", None, "t")),
        (b"UPDATE LOW_PRIORITY IGNORE s.t SET a = 1", Head("update", "s", "t")),
        (b"LOAD DATA LOCAL INFILE 'a\\' b' REPLACE INTO TABLE s.t FIELDS", Head("load", "s", "t")),
        (b'LOAD XML CONCURRENT INFILE "x" INTO TABLE `t`', Head("load", None, "t")),
        (b"LOAD INDEX INTO CACHE t", Head("load", None, None)),
        (b"INSERT", Head("insert", None, None)),
        (b"INSERT INTO", Head("insert", None, None)),
        (b"INSERT INTO 't' VALUES (1)", Head("insert", None, None)),
        (b"insert_x", Head("other", None, None)),
        (b"select * from t", Head("select", None, None)),
        (b"CALL p()", Head("call", None, None)),
        (b"ALTER TABLE t ADD UNIQUE (a)", Head("alter", None, None)),
        (b"CREATE TABLE t SELECT 1", Head("create", None, None)),
        (b"EXECUTE s", Head("execute", None, None)),
        (b"SET NAMES utf8mb4", Head("set", None, None)),
        (b"USE shop", Head("use", None, None)),
        (b"secret_procedure", Head("other", None, None)),
        (b"(SELECT 1)", Head("other", None, None)),
        (b"", Head("other", None, None)),
        (b"\x00\xff", Head("other", None, None)),
        (b"/* never closed", Head("other", None, None)),
    ],
)
def test_head(text: bytes, expected: Head) -> None:
    assert head(text) == expected


def test_a_name_that_may_go_on_behind_the_first_kib_is_not_told() -> None:
    start = b"INSERT INTO "
    fits = 1024 - len(start) - 1
    assert head(start + b"a" * fits + b" VALUES (1)").table == "a" * fits
    assert head(start + b"a" * (fits + 1) + b"bc VALUES (1)") == Head("insert", None, None)
    assert head(b" " * 2000 + b"INSERT INTO t") == Head("other", None, None)


def test_only_known_verbs_become_labels() -> None:
    assert all(head(verb.encode()).verb == verb for verb in VERBS)
    assert head(b"user_secret_1").verb == "other"


@pytest.mark.parametrize("text", [b"INSERT INTO s.t (a) VALUES ('x')", b"LOAD DATA INFILE 'x' INTO TABLE t", b"/*!1 a"])
def test_every_cut_is_answered(text: bytes) -> None:
    for end in range(len(text)):
        assert head(text[:end]).verb in VERBS | {"other"}


def test_what_may_be_an_insert_behind_another_statement() -> None:
    text = b"DO 1; INSERT INTO t VALUES (1);;\n/* x */insert `s`.u SET a = ';INSERT q'; IF 1; SELECT 1;-- x\nINSERT w"
    found = [each for each in heads_behind(text) if each.verb == "insert"]
    assert found == [
        Head("insert", None, "t"),
        Head("insert", "s", "u"),
        Head("insert", None, "q"),
        Head("insert", None, "w"),
    ]
    assert list(heads_behind(b"INSERT INTO t VALUES (1); SELECT 1; UPDATE t SET a = 1")) == []
