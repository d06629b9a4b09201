"""`python -m tests.prometheus`: put Prometheus into the cache, so that no test has to wait for a download."""

from tests.prometheus.program import BUNDLE
from tests.servers.packages import fetch

if __name__ == "__main__":
    print(f"{BUNDLE.name} {fetch(BUNDLE).path}")
