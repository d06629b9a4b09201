import itertools

from proxy.sql.lexing import Lexing
from proxy.sql.patterns import patterns_for, warm_up


def test_every_lexing_has_its_expressions_and_they_are_compiled_once() -> None:
    warm_up()
    lexings = [Lexing(*modes) for modes in itertools.product((None, False, True), (False, True))]
    assert len({id(patterns_for(lexing)) for lexing in lexings}) == 6
    assert patterns_for(Lexing(True, None)) is patterns_for(Lexing(True, False))
