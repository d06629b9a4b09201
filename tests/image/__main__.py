"""`python -m tests.image`: put what builds and runs the image into the cache, so that no test has to wait for it."""

from tests.image.tools import fetch_all

if __name__ == "__main__":
    fetch_all()
