"""Which pump a process has."""

import errno
from collections.abc import Iterator

import pytest

from proxy.net import ring_pump
from proxy.net.choice import EPOLL, IO_URING, make_pump, poller
from proxy.net.epoll_pump import EpollPump
from proxy.net.ring_pump import RingPump


class Given:
    def close(self) -> None:
        pass


def _forbidden() -> Given:
    raise PermissionError(errno.EPERM, "Operation not permitted")


@pytest.fixture(autouse=True)
def _afresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("KEYCLASH_POLLER", raising=False)
    monkeypatch.setattr(ring_pump, "_tells_of_ends", lambda ring: True)
    poller.cache_clear()
    yield
    poller.cache_clear()


@pytest.mark.parametrize(
    ("wanted", "compiled", "allowed", "chosen"),
    [
        (None, True, True, IO_URING),
        ("auto", True, True, IO_URING),
        ("auto", True, False, EPOLL),
        ("auto", False, True, EPOLL),
        ("epoll", True, True, EPOLL),
        ("io_uring", True, True, IO_URING),
        ("io_uring", False, True, IO_URING),
    ],
)
def test_the_cheapest_that_is_allowed_is_chosen_unless_another_is_named(
    monkeypatch: pytest.MonkeyPatch, wanted: str | None, compiled: bool, allowed: bool, chosen: str
) -> None:
    if wanted is not None:
        monkeypatch.setenv("KEYCLASH_POLLER", wanted)
    monkeypatch.setattr(ring_pump, "COMPILED", compiled)
    monkeypatch.setattr(ring_pump, "Ring", Given if allowed else _forbidden)
    assert poller() == chosen
    pump = make_pump()
    assert isinstance(pump, RingPump if chosen == IO_URING else EpollPump)
    pump.close()


def test_what_is_named_and_cannot_be_had_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYCLASH_POLLER", "io_uring")
    monkeypatch.setattr(ring_pump, "Ring", _forbidden)
    with pytest.raises(ValueError, match=r"KEYCLASH_POLLER=io_uring: .*Operation not permitted"):
        poller()


def test_what_there_is_not_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYCLASH_POLLER", "kqueue")
    with pytest.raises(ValueError, match="KEYCLASH_POLLER=kqueue: expected auto, epoll or io_uring"):
        poller()


def test_what_is_given_once_only_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel takes the memory of a ring that is closed off the limit for locked memory a moment later."""
    made: list[Given] = []

    def once() -> Given:
        made.append(Given())
        return made[-1]

    monkeypatch.setenv("KEYCLASH_POLLER", "io_uring")
    monkeypatch.setattr(ring_pump, "Ring", once)
    make_pump()
    assert len(made) == 1


def test_a_kernel_that_does_not_tell_of_every_end_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ring_pump, "COMPILED", True)
    monkeypatch.setattr(ring_pump, "Ring", Given)
    monkeypatch.setattr(ring_pump, "_tells_of_ends", lambda ring: False)
    assert poller() == EPOLL
