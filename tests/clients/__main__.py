"""`python -m tests.clients`: put the clients into the cache, so that no test has to wait for a download."""

from tests.clients.installed import fetch_all

if __name__ == "__main__":
    fetch_all()
