import pytest

from proxy.conflicts.conflict import Cause, Outcome
from proxy.conflicts.labels import cause_labels, conflict_labels, printable, statement_label
from proxy.sql.head import VERBS
from tests.conflicts.conflicts import conflict


@pytest.mark.parametrize(
    ("text", "shown"), [("plain", "plain"), ("ключ", "ключ"), ("a\udcffb", r"a\xffb"), ("", ""), ("\\x", "\\x")]
)
def test_printable_spells_smuggled_bytes_out(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_bytes_that_make_utf8_together_are_read_as_such() -> None:
    assert printable("\udcc3\udca9") == "é"


def test_verbs_come_from_a_closed_set() -> None:
    assert [statement_label(verb) for verb in sorted(VERBS)] == sorted(VERBS)
    assert statement_label("pwned") == "other"
    assert statement_label("INSERT") == "other"


def test_labels_of_a_conflict() -> None:
    assert conflict_labels(conflict()) == ("shop", "users", "ux_email", "insert", Outcome.RETURNED, "")
    assert conflict_labels(conflict(rule="signup")).rule == "signup"
    assert cause_labels(conflict_labels(conflict()), Cause.RETRY) == ("shop", "users", "ux_email", Cause.RETRY)


def test_what_is_not_known_is_empty() -> None:
    assert conflict_labels(conflict(schema=None, table=None))[:3] == ("", "", "ux_email")


def test_labels_are_valid_unicode() -> None:
    labels = conflict_labels(conflict(schema="\udcff", table="\udcfe", key="\udcfd"))
    assert labels[:3] == (r"\xff", r"\xfe", r"\xfd")
