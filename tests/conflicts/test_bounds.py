"""However many conflicts there are: memory and series stay within their bounds. BOUNDS=1000000 for all of them."""

import json
import os
import subprocess
import sys

from proxy.conflicts.journal import MAX_KEYS, SIZE
from tests.conflicts.bounds import MAX_SERIES

CONFLICTS = int(os.environ.get("BOUNDS", "20000"))
MEGABYTES = 64


def test_a_flood_of_conflicts_stays_within_bounds() -> None:
    command = [sys.executable, "-m", "tests.conflicts.bounds", f"--conflicts={CONFLICTS}", f"--keys={CONFLICTS // 10}"]
    # Not traced: what is measured is the memory of the product alone.
    env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    told = subprocess.run(command, check=True, capture_output=True, text=True, env=env).stdout
    print(told)
    for line in told.splitlines():
        figures = json.loads(line)
        assert figures["series"] <= 2 * (MAX_SERIES + 20)  # conflicts, causes, and what goes to "__other__"
        assert figures["keys"] <= MAX_KEYS
        assert figures["conflicts"] <= SIZE
        assert figures["megabytes"] <= MEGABYTES
