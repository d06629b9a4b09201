import resource

import pytest
from structlog.testing import capture_logs

from proxy.config import Limits
from proxy.run.limits import PER_SESSION, RESERVE, own_limits


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (RESERVE + 10 * PER_SESSION, 1 << 20))


@pytest.mark.usefixtures("files")
def test_without_a_limit_the_descriptors_are_it() -> None:
    with capture_logs() as logs:
        assert own_limits(Limits(), 1).sessions == 10
    assert logs == []


@pytest.mark.usefixtures("files")
def test_a_limit_below_them_stays() -> None:
    assert own_limits(Limits(sessions=3), 1).sessions == 3


@pytest.mark.usefixtures("files")
def test_a_limit_above_them_is_told_and_lowered() -> None:
    with capture_logs() as logs:
        assert own_limits(Limits(sessions=11), 1).sessions == 10
    assert [line["event"] for line in logs] == ["too few file descriptors"]
    assert logs[0]["possible"] == 10


def test_endless_descriptors_limit_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (resource.RLIM_INFINITY,) * 2)
    assert own_limits(Limits(), 1).sessions == 0


def test_workers_share_what_is_for_all_of_them() -> None:
    limits = Limits(sessions=7, logins_per_second=4, sessions_per_user=5, sessions_per_host=5)
    share = own_limits(limits, 3)
    assert (share.sessions, share.logins_per_second) == (3, 2)
    assert (share.sessions_per_user, share.sessions_per_host) == (5, 5)
