"""How many cores this process may use."""

import math
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

_CPU_MAX: Final = Path("/sys/fs/cgroup/cpu.max")


def cores(cpu_max: Path = _CPU_MAX) -> int:
    """Count the cores that the scheduler and a container's limit leave to this process, at least one.

    cpu_max: the file of the control group (cgroup v2): quota and period in microseconds, or `max`.
    """
    count = len(os.sched_getaffinity(0))
    with suppress(OSError, ValueError):
        quota, period = cpu_max.read_text("ascii").split()
        count = min(count, math.ceil(int(quota) / int(period)))
    return max(count, 1)
