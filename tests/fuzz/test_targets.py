"""Every target takes its seeds, what is kept for it, and some inputs made at random: the same ones each time.

`make fuzz` takes millions, led by what they reach.
"""

import base64
import re

import pytest

from tests.fuzz import kept
from tests.fuzz.__main__ import fuzz, is_there, main
from tests.fuzz.mutation import inputs
from tests.fuzz.target import Target
from tests.fuzz.targets import NAMES, target
from tests.fuzz.watch import HangError, watching

COUNTS = {"compression": 3000, "login": 3000, "commands": 3000, "rules": 3000}
"""Inputs made at random, which take a second or two; 8000 for the others."""
SEED = 20261126


@pytest.mark.parametrize("name", NAMES)
def test_whatever_comes(name: str) -> None:
    found, known = target(name), kept.read(name)
    assert known
    with watching(found) as watch:
        for data in (*found.seeds, *known, *inputs(found, known, COUNTS.get(name, 8000), SEED)):
            watch.check(data)


def test_what_never_ends_is_told() -> None:
    def hang(data: bytes) -> None:
        while True:
            pass

    with watching(Target(hang, ())) as watch, pytest.raises(HangError):
        watch.check(b"")


def test_the_fewest_inputs_are_those_that_reach_something_new() -> None:
    check = target("header").check
    broken, begun, whole = b"GET / HTTP/1", b"PROXY UNKNOW", b"PROXY UNKNOWN\r\n"
    assert kept.fewest(check, [whole, b"SSH-2.0-OpenSSH", whole + b"more", begun, broken]) == [
        broken,
        begun,
        whole,
    ]


def test_a_target_is_led_by_what_inputs_reach(capsys: pytest.CaptureFixture[str]) -> None:
    if is_there():
        assert fuzz("header", 300, SEED, keep=False)
        assert re.match(r"header: 300 inputs in \d+ s of CPU time, \d\d of them reached some", capsys.readouterr().out)
    else:  # there is no atheris for this machine
        with pytest.raises(SystemExit):
            main(["header"])


def test_an_input_may_be_taken_again(capsys: pytest.CaptureFixture[str]) -> None:
    main(["header", "--try", base64.b64encode(b"PROXY UNKNOWN\r\n").decode()])
    assert capsys.readouterr().out.startswith("header: ")
