"""What of the limits is for one process: its share of them, and no more than it may have files open."""

import resource
from dataclasses import replace
from typing import Final

import structlog

from proxy.config import Limits

_log = structlog.get_logger(__name__)

RESERVE: Final = 128
"""Descriptors that are for other things than sessions: HTTP, listeners, files, look-ups, clients being turned away."""
PER_SESSION: Final = 2


def raise_open_files_limit() -> None:
    """Allow as many open files as the system lets this process have."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def own_limits(limits: Limits, workers: int) -> Limits:
    """Give the limits of each of several workers that are given clients in turn; a user's and a host's are not shared.

    There are no more sessions than descriptors for them: one more would wait before a deaf socket.
    """
    share = replace(
        limits,
        sessions=-(-limits.sessions // workers),
        logins_per_second=-(-limits.logins_per_second // workers),
    )
    return _within_descriptors(share)


def _within_descriptors(limits: Limits) -> Limits:
    files, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return limits
    most = max(1, (files - RESERVE) // PER_SESSION)
    if limits.sessions > most:
        _log.warning("too few file descriptors", sessions=limits.sessions, possible=most, descriptors=files)
    return replace(limits, sessions=min(limits.sessions or most, most))
