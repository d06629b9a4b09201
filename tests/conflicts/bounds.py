"""`python -m tests.conflicts.bounds`: what a recorder comes to hold when conflicts on ever new keys and values pour in.

What is printed is measured on the process itself: the memory that it has, and what the recorder tells of.
"""

import argparse
import gc
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proxy.conflicts.attempt import Attempt
from proxy.conflicts.conflict import Conflict, Met, Outcome
from proxy.conflicts.counters import Counters
from proxy.conflicts.metrics import render
from proxy.conflicts.recorder import Recorder

MAX_SERIES = 1000
PACE = 0.003
"""Seconds between two conflicts: slow enough for each statement to be read."""


@dataclass(frozen=True)
class Figures:
    """What was measured.

    megabytes: of memory more than at the beginning. series: in the metrics. scrape: bytes of the metrics. keys,
    conflicts: that the journal has.
    """

    after: int
    megabytes: float
    series: int
    scrape: int
    keys: int
    conflicts: int


class Nowhere:
    """A log that keeps nothing."""

    def info(self, event: str, **fields: Any) -> None:
        """Forget a line."""


class Time:
    """Time that a test lets pass."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def flood(conflicts: int, keys: int, looks: int = 4) -> Iterator[Figures]:
    """Record conflicts, each on one of so many keys with one of so many values; look at what there is now and then."""
    counters, time = Counters(MAX_SERIES), Time()
    recorder = Recorder(counters, Nowhere(), False, 10, time)
    session, outcomes = recorder.insertions.opened(), itertools.cycle(Outcome)
    before = _memory()
    for number in range(1, conflicts + 1):
        time.now += PACE
        key, value = number % keys, number * 7919 % keys
        text = f"INSERT INTO t{key % 97} (email, name) VALUES ('value-{value}', 'row {number}')".encode()
        recorder.insertions.sent(session, text, time.now)
        given = _conflict(number, key, value, next(outcomes))
        attempt = Attempt(session, text, started=time.now, table=given.met.table)
        finding = recorder.judge(given.met, attempt, given.at)
        recorder.record(given._replace(finding=finding))
        if number % (conflicts // looks) == 0:
            yield _look(recorder, counters, number, before)


def _conflict(number: int, key: int, value: int, outcome: Outcome) -> Conflict:
    return Conflict(
        at=1_700_000_000.0 + number * PACE,
        thread_id=number,
        user=f"user{number % 5000}",
        client=f"10.0.0.9:{number % 60_000}",
        met=Met(f"schema{key // 1000}", f"t{key % 97}", f"ux_{key}", f"value-{value}", "insert", 1062),
        outcome=outcome,
        rule=None,
        latency=None,
    )


def _look(recorder: Recorder, counters: Counters, after: int, before: int) -> Figures:
    text, _ = render(counters, "application/openmetrics-text; version=1.0.0")
    gc.collect()
    series = [line for line in text.decode().splitlines() if line.startswith(("keyclash_conflict",))]
    kept = sum(1 for _ in recorder.journal.records())
    megabytes = round((_memory() - before) / (1 << 20), 1)
    return Figures(after, megabytes, len(series), len(text), len(recorder.journal.ranked()), kept)


def _memory() -> int:
    """Return the memory that this process has, in bytes."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


def main() -> None:
    """Run it and print the figures, a line each."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--conflicts", type=int, default=1_000_000)
    parser.add_argument("--keys", type=int, default=100_000)
    arguments = parser.parse_args()
    for figures in flood(arguments.conflicts, arguments.keys):
        print(json.dumps(vars(figures)), flush=True)


if __name__ == "__main__":
    main()
