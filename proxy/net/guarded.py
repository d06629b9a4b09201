"""Calls of what is not to end all else if it fails."""

import asyncio
from collections.abc import Callable


def call_guarded(callback: Callable[..., object], *args: object) -> None:
    """Call as the event loop does: it is told of an exception, and all connections live on."""
    try:
        callback(*args)
    except Exception as error:
        asyncio.get_running_loop().call_exception_handler({"message": "callback failed", "exception": error})
