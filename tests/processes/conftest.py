"""What the tests of whole processes share with those of their parts."""

from tests.run.conftest import behind

__all__ = ["behind"]
