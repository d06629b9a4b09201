"""Every test of the sockets runs with every fault of a callback caught."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from typing import Any

import pytest
import pytest_asyncio

from proxy.net.certificates import Certificate, make_certificate
from proxy.net.epoll_pump import EpollPump
from proxy.net.loop import Loop
from proxy.net.ring import Ring
from proxy.net.ring_pump import RingPump


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run every test at each of the pumps that this machine can have."""
    pumps: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"epoll": partial(Loop, EpollPump)}
    try:
        Ring().close()
    except OSError:
        return pumps
    return pumps | {"io_uring": partial(Loop, RingPump)}


@pytest.fixture(scope="session")
def certificate() -> Certificate:
    return make_certificate()


@pytest_asyncio.fixture(autouse=True)
async def no_leaks() -> AsyncIterator[None]:
    """Fail the test for an exception that only the loop saw, and for a task or a transport that it left behind."""
    faults: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: faults.append(context))
    yield
    left = asyncio.all_tasks() - {asyncio.current_task()}
    gc.collect()
    assert not faults
    assert not left
