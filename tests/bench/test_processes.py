"""What the kernel says of processes is checked on ones whose work is known."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.bench.processes import Cpu, cpu, family, listener, memory, sockets

PARENT = """
import socket, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
pair = socket.socketpair()
held = bytes(1 << 24) and bytearray(b"x" * (1 << 24))
print(child.pid, flush=True)
input()
child.communicate(b"\\n")
"""


@pytest.fixture
def parent() -> Iterator[tuple[int, int]]:
    """A process and its child."""
    command = [sys.executable, "-c", PARENT]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.pid, int(process.stdout.readline())
        process.communicate("\n")


def test_family_memory_and_sockets(parent: tuple[int, int]) -> None:
    assert family(parent[0]) == parent
    assert memory(parent[0]) > 1 << 24
    assert [sockets(pid) for pid in parent] == [2, 0]


def test_cpu_agrees_with_the_process_itself() -> None:
    before, own = cpu(os.getpid()), time.process_time()
    while time.process_time() < own + 0.05:
        pass
    used = cpu(os.getpid()).since(before)
    assert used.total >= 0.05
    assert used.user + used.system == pytest.approx(used.total)


def test_user_and_system_are_shares_of_the_exact_total() -> None:
    assert Cpu(5.0, 3.0, 1.0).since(Cpu(1.0, 0.0, 0.0)) == Cpu(4.0, 3.0, 1.0)
    assert Cpu(2.0, 0.0, 0.0).since(Cpu(1.0, 0.0, 0.0)) == Cpu(1.0, 0.5, 0.5)


def test_listener_is_found_by_its_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert listener(port) == os.getpid()
    assert listener(port) is None
