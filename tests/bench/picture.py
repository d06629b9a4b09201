"""The results as a picture: bars of the CPU time that each proxy takes for one query."""

from collections.abc import Sequence
from html import escape
from typing import Final

from tests.bench.peers import Kind
from tests.bench.results import Results

SHOWN: Final = (
    "select, text, 16",
    "select, prepared, 16",
    "read-write, 16",
    "insert, 16",
    "select over TLS, 16",
)
_COLOURS: Final = {Kind.OWN: "#c2410c", Kind.BLIND: "#94a3b8", Kind.AWARE: "#475569"}
_LABELS, _BARS, _VALUES, _BAR, _GAP, _TITLE = 150, 420, 70, 16, 30, 44


def picture(results: Results, workloads: Sequence[str] = SHOWN) -> str:
    """Draw an SVG of the workloads that were measured."""
    shown = [(name, _bars(results, name)) for name in workloads if results.rounds.get(name)]
    longest = max((value for _, bars in shown for _, value in bars), default=1.0)
    lines: list[str] = []
    top = _TITLE
    for name, bars in shown:
        lines.append(_text(0, top + 14, name, weight="bold"))
        top += _GAP - 8
        for peer, value in bars:
            lines += _bar(top, peer, value, value / longest * _BARS, _COLOURS[results.kinds[peer]])
            top += _BAR + 4
        top += _GAP - 18
    width = _LABELS + _BARS + _VALUES
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-16 0 {width + 32} {top + 8}" width="{width + 32}"'
            ' font-family="sans-serif" font-size="13" role="img">',
            "<title>CPU time of each proxy per query</title>",
            f'<rect x="-16" width="{width + 32}" height="{top + 8}" fill="#ffffff"/>',
            _text(0, 26, "CPU of the proxy for one query, in µs (less is better)", size=16),
            *lines,
            "</svg>\n",
        )
    )


def _bars(results: Results, workload: str) -> list[tuple[str, float]]:
    medians = [(peer, results.median(workload, peer, "cpu_us")) for peer in results.rounds[workload]]
    return sorted(((peer, value) for peer, value in medians if value is not None), key=lambda bar: bar[1])


def _bar(top: float, peer: str, value: float, length: float, colour: str) -> list[str]:
    return [
        _text(0, top + 13, peer),
        f'<rect x="{_LABELS}" y="{top}" width="{length:.1f}" height="{_BAR}" rx="2" fill="{colour}"/>',
        _text(_LABELS + length + 6, top + 13, f"{value:.1f}"),
    ]


def _text(x: float, y: float, text: str, weight: str = "normal", size: int = 13) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="#0f172a" font-weight="{weight}" font-size="{size}">{escape(text)}</text>'
    )
