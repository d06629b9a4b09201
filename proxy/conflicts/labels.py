"""Label values that are valid UTF-8 and come from a closed set wherever a client could invent them."""

import hashlib
from enum import StrEnum
from functools import lru_cache
from typing import Final, NamedTuple

from proxy.conflicts.conflict import Cause, Conflict, Outcome
from proxy.sql.head import VERBS

OTHER = "__other__"
KEYS: Final = 128
"""Keys whose names are remembered as they are shown."""


class Result(StrEnum):
    """How a session ended: the label of keyclash_sessions_total."""

    QUIT = "quit"
    CLIENT_CLOSED = "client_closed"
    BACKEND_CLOSED = "backend_closed"
    BACKEND_UNREACHABLE = "backend_unreachable"
    LOGIN_REFUSED = "login_refused"
    LOGIN_TIMEOUT = "login_timeout"
    IDLE_TIMEOUT = "idle_timeout"
    LIMIT_SESSIONS = "limit_sessions"
    LIMIT_SESSIONS_PER_USER = "limit_sessions_per_user"
    LIMIT_SESSIONS_PER_HOST = "limit_sessions_per_host"
    LIMIT_LOGINS_PER_SECOND = "limit_logins_per_second"
    INSECURE_TRANSPORT = "insecure_transport"
    TLS_FAILED = "tls_failed"
    PASSTHROUGH = "passthrough"
    MALFORMED = "malformed"
    UNTRACKED = "untracked"
    SHUTDOWN = "shutdown"
    WORKER_DIED = "worker_died"
    FAILED = "failed"


REMARKABLE: Final = frozenset(
    {
        Result.LOGIN_TIMEOUT,
        Result.INSECURE_TRANSPORT,
        Result.TLS_FAILED,
        Result.MALFORMED,
        Result.UNTRACKED,
        Result.FAILED,
    }
)
"""Ends that the log warns of: each says that somebody does what was not to be expected."""


class KeyName(NamedTuple):
    """A unique index by its names; "" where the schema or the table is not known."""

    schema: str
    table: str
    key: str

    @property
    def id(self) -> str:
        """A short name for addresses: 12 hexadecimal digits."""
        return hashlib.blake2b("\0".join(self).encode(), digest_size=6).hexdigest()

    def __str__(self) -> str:
        return ".".join(part for part in self if part)


class ConflictLabels(NamedTuple):
    """The labels of keyclash_conflicts_total in the order of exposition; "" stands for not known, or none."""

    schema: str
    table: str
    key: str
    statement: str
    outcome: Outcome
    rule: str


class CauseLabels(NamedTuple):
    """The labels of keyclash_conflict_causes_total in the order of exposition."""

    schema: str
    table: str
    key: str
    cause: Cause


def printable(text: str) -> str:
    r"""Turn text that may hold bytes as lone surrogates (PEP 383) into valid Unicode: such a byte becomes `\xNN`."""
    if text.isascii():  # as names are: a tenth of the time
        return text
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def statement_label(verb: str) -> str:
    """Name the verb of a statement as a label: one that `head` tells apart, or "other"."""
    return verb if verb in VERBS else "other"


@lru_cache(KEYS)
def key_name(schema: str | None, table: str | None, key: str) -> KeyName:
    """Name a key as it is shown."""
    return KeyName(printable(schema or ""), printable(table or ""), printable(key))


def conflict_labels(conflict: Conflict) -> ConflictLabels:
    """Name the labels under which a conflict is counted."""
    met = conflict.met
    return ConflictLabels(
        *key_name(met.schema, met.table, met.key),
        statement_label(met.statement),
        conflict.outcome,
        conflict.rule or "",
    )


def cause_labels(labels: ConflictLabels, cause: Cause) -> CauseLabels:
    """Name the labels under which the cause of a conflict with these labels is counted."""
    return CauseLabels(labels.schema, labels.table, labels.key, cause)
