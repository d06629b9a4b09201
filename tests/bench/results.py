"""What came out of the rounds: medians, and their ratios to the best of the other proxies.

A ratio is the median of the rounds' own: what is measured in one round meets the same machine, which may be twice as
fast in the next. What is measured in turns has as many of them in each round.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import median

from tests.bench.loads import Figures
from tests.bench.peers import Kind

LARGER_IS_BETTER = frozenset({"qps"})

When = tuple[int, int]
"""The numbers of a round, and of a turn in it: 0 for what is measured once in a round."""


@dataclass
class Results:
    """All figures of all rounds.

    kinds: the peers by their names. rounds: by workload, peer, figure and when that was.
    """

    kinds: Mapping[str, Kind]
    rounds: dict[str, dict[str, dict[str, dict[When, float]]]] = field(default_factory=dict)

    def add(self, when: When, workload: str, peer: str, figures: Figures) -> None:
        """Keep what a workload gave for a peer in a round or a turn."""
        of_peer = self.rounds.setdefault(workload, {}).setdefault(peer, {})
        for name, value in figures.items():
            of_peer.setdefault(name, {})[when] = value

    def median(self, workload: str, peer: str, figure: str) -> float | None:
        """Return the median of the rounds; None if it was not measured."""
        values = self._values(workload, peer, figure)
        return median(values.values()) if values else None

    def best(self, workload: str, figure: str, kinds: Iterable[Kind] = (Kind.BLIND, Kind.AWARE)) -> str | None:
        """Return the one of the other proxies that has the best median; None if none was measured."""
        wanted = set(kinds)
        peers = [peer for peer in self.rounds.get(workload, {}) if self.kinds[peer] in wanted]
        medians = {value: peer for peer in peers if (value := self.median(workload, peer, figure)) is not None}
        if not medians:
            return None
        return medians[max(medians) if figure in LARGER_IS_BETTER else min(medians)]

    def against(self, figure: str, one: tuple[str, str], other: tuple[str, str | None]) -> float | None:
        """Return a figure of one peer in one workload as a multiple of that of another; None if one is missing."""
        values, others = self._values(*one, figure), self._values(*other, figure)
        ratios = [value / others[when] for when, value in values.items() if others.get(when)]
        return median(ratios) if ratios else None

    def ratio(self, workload: str, peer: str, figure: str) -> float | None:
        """Return a figure as a multiple of the best of the other proxies."""
        return self.against(figure, (workload, peer), (workload, self.best(workload, figure)))

    def _values(self, workload: str, peer: str | None, figure: str) -> Mapping[When, float]:
        return self.rounds.get(workload, {}).get(peer or "", {}).get(figure, {})

    def as_json(self) -> dict[str, dict[str, dict[str, dict[str, object]]]]:
        """Return all of it: by workload, peer and figure the median, its ratio to the best peer, and each round."""
        return {
            workload: {
                peer: {
                    figure: {
                        "median": self.median(workload, peer, figure),
                        "ratio": self.ratio(workload, peer, figure),
                        "rounds": list(values.values()),
                    }
                    for figure, values in figures.items()
                }
                for peer, figures in peers.items()
            }
            for workload, peers in self.rounds.items()
        }
