"""What came out of the rounds: medians, and their ratios to the best of the other proxies."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import median

from tests.bench.loads import Figures
from tests.bench.peers import Kind

LARGER_IS_BETTER = frozenset({"qps"})


@dataclass
class Results:
    """All figures of all rounds.

    kinds: the peers by their names. rounds: by workload, peer and figure.
    """

    kinds: Mapping[str, Kind]
    rounds: dict[str, dict[str, dict[str, list[float]]]] = field(default_factory=dict)

    def add(self, workload: str, peer: str, figures: Figures) -> None:
        """Keep what one round of a workload gave for a peer."""
        of_peer = self.rounds.setdefault(workload, {}).setdefault(peer, defaultdict(list))
        for name, value in figures.items():
            of_peer[name].append(value)

    def median(self, workload: str, peer: str, figure: str) -> float | None:
        """Return the median of the rounds; None if it was not measured."""
        values = self.rounds.get(workload, {}).get(peer, {}).get(figure)
        return median(values) if values else None

    def best(self, workload: str, figure: str, kinds: Iterable[Kind] = (Kind.BLIND, Kind.AWARE)) -> float | None:
        """Return the best median among the other proxies; None if none was measured."""
        wanted = set(kinds)
        peers = [peer for peer in self.rounds.get(workload, {}) if self.kinds[peer] in wanted]
        values = [value for peer in peers if (value := self.median(workload, peer, figure)) is not None]
        if not values:
            return None
        return max(values) if figure in LARGER_IS_BETTER else min(values)

    def ratio(self, workload: str, peer: str, figure: str) -> float | None:
        """Return the median as a multiple of the best of the other proxies."""
        return quotient(self.median(workload, peer, figure), self.best(workload, figure))

    def as_json(self) -> dict[str, dict[str, dict[str, dict[str, object]]]]:
        """Return all of it: by workload, peer and figure the median, its ratio to the best peer, and each round."""
        return {
            workload: {
                peer: {
                    figure: {
                        "median": self.median(workload, peer, figure),
                        "ratio": self.ratio(workload, peer, figure),
                        "rounds": values,
                    }
                    for figure, values in figures.items()
                }
                for peer, figures in peers.items()
            }
            for workload, peers in self.rounds.items()
        }


def quotient(value: float | None, by: float | None) -> float | None:
    """Divide, if there is something to divide and to divide by."""
    return None if value is None or not by else value / by
