"""When Python's collector looks for garbage in a process that serves clients."""

import gc
from typing import Final

_YOUNG: Final = 5_000
"""Objects more than there were after which it looks at the new ones, as many as some fifty sessions leave behind.

Python's own number, 700, makes it look every few connections: with what is spared below, 8 per cent of what they cost.
"""
_OLDER: Final = 5
"""Looks at the new ones for one at those that have outlived one, and so on."""


def spare_what_stays() -> None:
    """Look no more at what is there now, modules and settings, which stays to the end; and at the rest less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _OLDER, _OLDER)
