"""What the kernel tells of other processes: their CPU time, their memory, their sockets."""

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")
_LISTENS = "0A"


@dataclass(frozen=True, slots=True)
class Cpu:
    """Seconds of CPU that processes have used; `total` is exact, `user` and `system` are sampled by the kernel."""

    total: float
    user: float
    system: float

    def since(self, before: "Cpu") -> "Cpu":
        """Return what was used since an earlier reading, divided between user and system as sampled."""
        total = max(0.0, self.total - before.total)
        user, system = self.user - before.user, self.system - before.system
        share = user / (user + system) if user + system > 0 else 0.5
        return Cpu(total, total * share, total * (1 - share))


def family(pid: int) -> tuple[int, ...]:
    """Return a process and all its descendants, in the order of their birth."""
    parents = dict(_parents())
    found = [pid]
    for process in found:
        found += sorted(child for child, parent in parents.items() if parent == process)
    return tuple(found)


def cpu(pid: int) -> Cpu:
    """Read what a process and its descendants have used so far, in all their threads, ended ones too."""
    return cpu_of(family(pid))


def cpu_of(processes: Iterable[int]) -> Cpu:
    """Read what processes have used so far."""
    total = user = system = 0.0
    for process in processes:
        # The clock of another process, see clock_getcpuclockid(3). /proc/PID/stat tells the same in ticks of 10 ms.
        total += time.clock_gettime((~process << 3) | 2)
        fields = _stat(process)
        user += int(fields[11]) / TICKS
        system += int(fields[12]) / TICKS
    return Cpu(total, user, system)


def memory(pid: int) -> int:
    """Return the bytes of memory that a process and its descendants hold, shared pages by their share (Pss)."""
    total = 0
    for process in family(pid):
        for line in (PROC / str(process) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total


def sockets(pid: int) -> int:
    """Return how many sockets one process holds."""
    return sum(str(path.readlink()).startswith("socket:") for path in (PROC / str(pid) / "fd").iterdir())


def listener(port: int) -> int | None:
    """Return the process of this machine that listens on a TCP port; None if it is not to be seen."""
    inodes = {f"socket:[{inode}]" for inode in _listening(port)}
    for path in PROC.glob("[0-9]*"):
        try:
            if any(str(link.readlink()) in inodes for link in (path / "fd").iterdir()):
                return int(path.name)
        except OSError:
            continue  # gone by now, or somebody else's
    return None


def _listening(port: int) -> Iterator[str]:
    for table in (PROC / "net/tcp", PROC / "net/tcp6"):
        for line in table.read_text().splitlines()[1:] if table.exists() else ():
            fields = line.split()
            if fields[3] == _LISTENS and int(fields[1].rsplit(":", 1)[1], 16) == port:
                yield fields[9]


def _parents() -> Iterator[tuple[int, int]]:
    for path in PROC.glob("[0-9]*"):
        try:
            yield int(path.name), int(_stat(int(path.name))[1])
        except OSError:
            continue  # gone by now


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the third one on: the second is a name that may hold anything."""
    return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
