import subprocess
import sys

PROGRAM = """
import gc
import weakref

from proxy.run.garbage import spare_what_stays

class Node:
    def __init__(self):
        self.itself = self

spare_what_stays()
assert gc.get_freeze_count() > 1000
alive = weakref.WeakSet()
most = 0
for _ in range(30_000):
    alive.add(Node())
    most = max(most, len(alive))
print(most)
"""


def test_what_sessions_leave_behind_is_collected_and_what_stays_is_not_looked_at() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert 700 < int(done.stdout) < 10_000
