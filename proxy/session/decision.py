"""What the resolver may decide, other than what the client gets."""

from typing import Final, NamedTuple


class Send(NamedTuple):
    """The answer to a reply: this text goes to the backend, whose reply will be looked at in turn."""

    text: bytes


class Wait(NamedTuple):
    """The answer to a reply: it waits until a table's definition is known, or known to be missing; then `resumed`."""

    schema: str
    table: str


class Pause:
    """The answer to anything: there is more to be done, after others have had their turn."""


PAUSE: Final = Pause()
