"""The proxies of the end-to-end tests."""

from tests.e2e.conftest import proxy, session_proxy

__all__ = ["proxy", "session_proxy"]
