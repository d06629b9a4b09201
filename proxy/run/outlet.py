"""Where the lines of the log leave the process: a reader that does not read, or a full disk, holds nobody up."""

import os
import select
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, TextIO

import structlog

_log = structlog.get_logger(__name__)

WAITING: Final = 1 << 20
"""Bytes that may wait to be written; lines beyond them are lost, and counted."""
_LAST_WAIT: Final = 1.0
"""Seconds that the last lines may take."""
_GATHER: Final = 0.02
"""Seconds from one writing to the next: a thread that woke up for every line would take the interpreter from the event
loop each time, which was a tenth of all that a connection costs."""


class Outlet:
    """Takes text as a stream does, and writes it in a thread of its own.

    Args:
        fd: a file descriptor.
        terminal: whether that is one.
        lost: called in that thread with the number of lines that were lost, once there is room again.
    """

    def __init__(self, fd: int, terminal: bool, lost: Callable[[int], None]) -> None:
        self._fd = fd
        self._terminal = terminal
        self._lost = lost
        self._lock = threading.Lock()  # for what follows, never held while something is written
        self._lines: list[bytes] = []
        self._waiting = 0
        self._dropped = 0
        self._closed = False
        self._due = threading.Event()  # there are lines, or it is closed
        # A daemon, and no buffer of Python's: the process can end while nobody reads.
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def isatty(self) -> bool:
        """Tell whether it is a terminal."""
        return self._terminal

    def write(self, text: str) -> int:
        """Have a line written, or lose it if too much waits already."""
        line = text.encode("utf-8", "backslashreplace")
        with self._lock:
            if self._waiting + len(line) > WAITING:
                self._dropped += 1
                return len(text)
            self._waiting += len(line)
            self._lines.append(line)
        if not self._due.is_set():
            self._due.set()
        return len(text)

    def flush(self) -> None:
        """Do nothing: lines are written as soon as they can be."""

    def close(self) -> None:
        """Write what waits, for as long as the last lines may take."""
        self._closed = True
        self._due.set()
        self._thread.join(_LAST_WAIT)

    def _run(self) -> None:
        closed = False
        while not closed:
            self._due.wait()
            self._due.clear()  # before the lines are taken: one that comes now is for the next time
            closed = self._closed
            with self._lock:
                lines, self._lines = self._lines, []
            self._write_all(lines)
            if not closed:
                time.sleep(_GATHER)

    def _write_all(self, lines: Sequence[bytes]) -> None:
        """Write lines, together as far as no other process's lines come in between."""
        together: list[bytes] = []
        size = 0
        for line in lines:
            if together and size + len(line) > select.PIPE_BUF:
                self._write(b"".join(together))
                together.clear()
                size = 0
            together.append(line)
            size += len(line)
        if together:
            self._write(b"".join(together))

    def _write(self, lines: bytes) -> None:
        left = lines
        while left:
            try:
                left = left[os.write(self._fd, left) :]
            except OSError:  # nobody reads any more, or the disk is full: the proxy goes on
                break
        with self._lock:
            self._waiting -= len(lines)
            dropped, self._dropped = self._dropped, 0
        if dropped:
            self._lost(dropped)


@contextmanager
def outlet(stream: TextIO) -> Iterator[Outlet]:
    """Let lines leave by a stream's descriptor for the length of the block."""
    stream.flush()
    found = Outlet(stream.fileno(), stream.isatty(), _tell)
    try:
        yield found
    finally:
        found.close()


def _tell(lines: int) -> None:
    _log.warning("log lines lost", lines=lines, reason="they were not read or written as fast as they came")
