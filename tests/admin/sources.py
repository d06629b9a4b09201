"""What the admin application is made from, for tests to fill."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from proxy.admin.settings import settings_of
from proxy.admin.sources import Sources
from proxy.config import ProxyConfig
from proxy.conflicts.counters import Counters
from proxy.conflicts.journal import Journal
from proxy.rules.match import RuleSet

NOW = 1_700_000_030.0


async def reload() -> tuple[bool, str]:
    return True, "nothing to read"


async def refresh(sessions: bool) -> None:
    return None


def sources(**changes: Any) -> Sources:
    """Make empty sources, of which some are others."""
    usual = Sources(
        counters=Counters(),
        journal=Journal(),
        rules=RuleSet,
        table=lambda schema, table: None,
        sessions=lambda: (),
        settings=lambda: settings_of(ProxyConfig(), None),
        problems=tuple,
        reload=reload,
        refresh=refresh,
        show_values=False,
        clock=lambda: NOW,
    )
    return replace(usual, **changes)


def written(text: str, folder: Path, name: str) -> Path:
    """Write a file."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path
