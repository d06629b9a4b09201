"""Holds many generated conversations and tells where they differed."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import FlakyFailure

from proxy.config import BackendTls, BackendTlsMode
from proxy.rules.match import RuleSet
from tests.diff.conversation import Conversation
from tests.diff.cutting import cutting
from tests.diff.minimal import minimal
from tests.diff.recorder import Difference, Recorder, UnsoundError
from tests.diff.strategies import conversations
from tests.e2e.running import NO_RULES, in_front_of, proxied
from tests.servers.launch import Server

PORTION = 500
"""Conversations of one run of the generator: after a difference the next portion goes on."""


class DifferenceError(AssertionError):
    """A conversation whose two sides differ."""

    def __init__(self, difference: Difference) -> None:
        super().__init__(str(difference))
        self.difference = difference


@dataclass(frozen=True, slots=True)
class Report:
    """What a campaign has seen: how many conversations, replies and seconds, and the scripts that differ."""

    seed: int
    conversations: int
    answers: int
    seconds: float
    differences: tuple[str, ...]

    def __str__(self) -> str:
        rate = self.conversations / max(self.seconds, 0.001)
        found = len(self.differences)
        return (
            f"{self.conversations} conversations, {self.answers} answers compared, seed {self.seed}, "
            f"{self.seconds:.0f} s ({rate:.0f}/s), {found or 'no'} difference{'' if found == 1 else 's'}"
        )


@contextmanager
def recording(server: Server, rules: RuleSet = NO_RULES) -> Iterator[Recorder]:
    """Run a proxy in front of a server and a recorder for both."""
    config = in_front_of(server, backend_tls=BackendTls(BackendTlsMode.DISABLED))
    with cutting() as knife, proxied(config, server, rules) as proxy:
        recorder = Recorder(proxy, knife)
        try:
            yield recorder
        finally:
            recorder.close()


def campaign(recorder: Recorder, count: int, seed: int, *, mariadb: bool, stop_at: int = 1) -> Report:
    """Hold so many conversations; stop after so many differences."""
    began = time.monotonic()
    before = recorder.conversations, recorder.answers
    differences: list[str] = []
    for portion, first in enumerate(range(0, count, PORTION)):
        found = _portion(recorder, min(PORTION, count - first), seed * 1_000_003 + portion, mariadb=mariadb)
        if found:
            differences.append(found)
            if len(differences) >= stop_at:
                break
    held = recorder.conversations - before[0], recorder.answers - before[1]
    return Report(seed, *held, time.monotonic() - began, tuple(differences))


def _portion(recorder: Recorder, count: int, seed: int, *, mariadb: bool) -> str:
    @hypothesis.seed(seed)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        print_blob=False,
        report_multiple_bugs=False,
        verbosity=hypothesis.Verbosity.quiet,
    )
    @given(conversations(mariadb=mariadb))
    def hold(conversation: Conversation) -> None:
        difference = recorder.run(conversation)
        if difference is not None:
            recorder.careful = True
            raise DifferenceError(difference)

    try:
        hold()
    except DifferenceError as error:
        return str(_smallest(recorder, error.difference))
    except UnsoundError as error:
        return f"the server itself fell silent: {error}"
    except FlakyFailure as error:
        first = error.exceptions[0]
        if not isinstance(first, DifferenceError):
            return f"seen once, not again: {first}"
        return str(_culprit(recorder, first.difference) or f"seen once, not again: {first}")
    finally:
        recorder.careful = False
    return ""


def _culprit(recorder: Recorder, difference: Difference) -> Difference | None:
    """Look for the conversation that left a session in disorder, so that the next one failed."""
    for conversation in reversed(difference.before):
        found = recorder.run(conversation)
        if found is not None:
            return _smallest(recorder, found)
    return None


def _smallest(recorder: Recorder, difference: Difference) -> Difference:
    """Take away what the generator could not."""
    found = difference

    def differs(conversation: Conversation) -> bool:
        nonlocal found
        newest = recorder.run(conversation)
        found = newest or found
        return newest is not None

    minimal(difference.conversation, differs)
    return found
