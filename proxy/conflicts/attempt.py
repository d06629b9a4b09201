"""What a session tells of the statement that met a conflict, so that the cause can be found."""

from typing import NamedTuple


class Attempt(NamedTuple):
    """One INSERT as it was sent; made only once it has met a conflict.

    Args:
        session: its number from `Insertions.opened`.
        text: the statement's text, of a prepared one the text that was prepared; only its beginning if not `whole`.
        whole: whether that is all of it.
        parameters: of a prepared statement's execution what `proxy.wire.execute.cut` gives, else b"".
        started: when the command was read, in seconds of the monotonic clock; the same as `Insertions.sent` was given.
        before: the payloads (or their beginnings) of the commands that the session had sent before, the newest first: a
            SELECT that looked for the entry may be among them.
        table: the one that the statement names, as far as is known.
        types: two bytes for the type of each parameter; b"" where they are not known.
        bulk: whether the parameters are those of many rows.
        schema: the default schema in which the statement was sent, or prepared; None if it is not known. The same as
            `Insertions.sent` was given.
    """

    session: int
    text: bytes
    whole: bool = True
    parameters: bytes = b""
    started: float = 0.0
    before: tuple[bytes, ...] = ()
    table: str | None = None
    types: bytes = b""
    bulk: bool = False
    schema: str | None = None
