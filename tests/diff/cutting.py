"""Hands a session its bytes in pieces of chosen sizes, whatever the sockets make of them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle
from unittest.mock import patch

from proxy.session import Session

MOST_PIECES = 60
"""Of one stretch of bytes; the rest comes whole, so that large values take no time."""
MOST_CALLS = 12
"""The same for the pieces that are sent with a call each: what a session makes of more of them is seen without."""

Sizes = tuple[int, ...]


def pieces(data: bytes, sizes: Sizes, most: int = MOST_PIECES) -> Iterator[bytes]:
    """Cut data into pieces of these sizes, in turn."""
    at = 0
    if sizes:
        for size, _ in zip(cycle(sizes), range(most), strict=False):
            if at + size >= len(data):
                break
            yield data[at : at + size]
            at += size
    yield data[at:]


class Knife:
    """How the bytes of all sessions are cut now."""

    def __init__(self) -> None:
        self.client: Sizes = ()
        self.backend: Sizes = ()
        self.sessions: dict[int, Session] = {}

    def at_rest(self, thread_id: int) -> bool:
        """Tell whether the session of a backend's thread follows its conversation and waits for the next command."""
        return self.sessions[thread_id].idle


@contextmanager
def cutting() -> Iterator[Knife]:
    """Cut the bytes of the sessions that proxies of this process make."""
    knife = Knife()

    class CutSession(Session):
        __slots__ = ()

        def in_bulk(
            self, to_client: Callable[[bytes], None], to_backend: Callable[[bytes], None]
        ) -> tuple[Callable[[bytes], None], Callable[[bytes], None]]:
            super().in_bulk(to_client, to_backend)
            return self.client_data, self.backend_data

        def client_data(self, data: bytes) -> None:
            knife.sessions[self.thread_id] = self
            for piece in pieces(data, knife.client):
                super().client_data(piece)

        def backend_data(self, data: bytes) -> None:
            for piece in pieces(data, knife.backend):
                super().backend_data(piece)

    with patch("proxy.run.worker.Session", CutSession):
        yield knife
