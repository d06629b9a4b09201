"""`python -m tests.page`: put the browser into the cache, so that no test has to wait for a download."""

from tests.page.browser import CHROMIUM
from tests.servers.packages import fetch

if __name__ == "__main__":
    fetch(CHROMIUM)
