"""Measures loads of a single connection in turns.

A connection that is alone spends its time in waiting to be woken, and how long that takes changes within seconds to
twice as long and back. So what is compared takes turns of a few hundredths of a second, each time in another order, and
a ratio is one of two figures of the same turn.
"""

import random
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from tests.bench.loads import Figures, LoadError, Site, percentile
from tests.bench.peers import Peer
from tests.bench.processes import Cpu, cpu_of, family
from tests.bench.single import Event, Single
from tests.bench.tables import SCHEMA
from tests.raw import logged_in

TURN: Final = 0.05
"""Seconds of a turn."""
_FIRST: Final = 5  # events of a turn that are not measured: others have had the caches in between


@dataclass
class Player:
    """A load through a peer, with what was measured in all turns."""

    workload: str
    peer: Peer
    event: Event
    processes: Sequence[int]
    durations: list[float] = field(default_factory=list)
    statements: int = 0
    first: Cpu | None = None
    last: Cpu | None = None

    def turn(self) -> Figures:
        """Repeat the event for the time of a turn, and return what came of it. Raises LoadError, OSError."""
        self.first = self.first or cpu_of(self.processes)
        for _ in range(_FIRST):
            self.statements += self.event()
        before = cpu_of(self.processes)
        began = ended = time.perf_counter()
        durations: list[float] = []
        statements = 0
        while ended - began < TURN:
            statements += self.event()
            now = time.perf_counter()
            durations.append(now - ended)
            ended = now
        self.last = cpu_of(self.processes)
        used = self.last.since(before)
        self.durations += durations
        self.statements += statements
        figures = {"qps": statements / (ended - began), "p50_ms": median(durations) * 1000}
        return figures | ({"cpu_us": used.total * 1e6 / statements} if self.processes else {})

    def after_all(self) -> Figures:
        """Return what a turn is too short for."""
        histogram = [(duration * 1000, 1) for duration in sorted(self.durations)]
        figures = {"p99_ms": percentile(histogram, 99)}
        if self.processes and self.first is not None and self.last is not None:
            used = self.last.since(self.first)  # the kernel samples these two, at moments that are further apart
            figures["user_us"] = used.user * 1e6 / self.statements
            figures["system_us"] = used.system * 1e6 / self.statements
        return figures


Failed = Callable[[str, Peer, Exception], None]
"""Called with a workload that failed through a peer; the others go on."""


def in_turns(
    loads: Sequence[tuple[str, Peer, Single]], site: Site, seconds: float, failed: Failed
) -> Iterator[tuple[str, str, int, Figures]]:
    """Run loads, each for about so many seconds.

    Yields the name of a workload, that of a peer, the number of the turn, and what was measured. What is of all turns
    has the number of the first.
    """
    with ExitStack() as stack:
        players: list[Player] = []
        for workload, peer, load in loads:
            try:
                players.append(_player(stack, workload, peer, load, site))
            except (LoadError, OSError) as error:
                failed(workload, peer, error)
        for number in range(max(1, round(seconds / TURN))):
            random.shuffle(players)
            for player in list(players):
                try:
                    yield player.workload, player.peer.name, number, player.turn()
                except (LoadError, OSError) as error:
                    players.remove(player)
                    failed(player.workload, player.peer, error)
        for player in players:
            yield player.workload, player.peer.name, 0, player.after_all()


def _player(stack: ExitStack, workload: str, peer: Peer, load: Single, site: Site) -> Player:
    raw = stack.enter_context(logged_in(site.through(peer)))
    raw.stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    raw.query(f"USE {SCHEMA}")
    return Player(workload, peer, load.begin(raw, site), family(peer.pid) if peer.pid is not None else ())
