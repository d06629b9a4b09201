"""What the tests of what runs the proxy share."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.run.doubles import Backend, backend


@pytest_asyncio.fixture
async def behind() -> AsyncIterator[Backend]:
    """A backend that lets everybody in."""
    async with backend() as double:
        yield double
