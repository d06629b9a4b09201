"""One run of a target by atheris, which is led by what each input reaches, in a process of its own: it exits for good.

    python -m tests.fuzz.led TARGET INPUTS SEED FOLDER

FOLDER holds the inputs to begin with in `inputs`, where those are added that reach something new. At the end there is a
`report` in it; or what was wrong is the end of what is printed, and an input that was, is in a file of its own.
"""

import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import atheris

from tests.fuzz.watch import Watch, peak, watching


@dataclass(slots=True)
class Report:
    """What was seen of a run.

    Args:
        inputs: how many there were.
        seconds: of CPU time that they took.
        memory_at_tenth: the peak of memory once a tenth of them had been taken, in bytes.
        memory_at_end: the same at the end.
        slowest: the seconds of CPU time that one of them took at most.
    """

    inputs: int
    seconds: float
    memory_at_tenth: int
    memory_at_end: int
    slowest: float


class _Run:
    """Counts inputs, and writes the report behind the last one."""

    def __init__(self, watch: Watch, inputs: int, report: Path) -> None:
        self._watch = watch
        self._inputs = inputs
        self._report = report
        self._started = time.process_time()
        self._at_tenth = 0

    def take(self, data: bytes) -> None:
        self._watch.check(data)
        if self._watch.count == self._inputs // 10:
            self._at_tenth = peak()
        if self._watch.count == self._inputs:
            seconds = time.process_time() - self._started
            report = Report(self._inputs, seconds, self._at_tenth, peak(), self._watch.slowest[0])
            self._report.write_text(json.dumps(asdict(report)))


def main(name: str, inputs: str, seed: str, folder: Path) -> None:
    """Run."""
    with atheris.instrument_imports(include=["proxy"]):
        from tests.fuzz.targets import target

        found = target(name)
    words = folder / "words"
    words.write_text("".join('"' + "".join(f"\\x{byte:02x}" for byte in word) + '"\n' for word in found.words))
    with watching(found) as watch:
        run = _Run(watch, int(inputs), folder / "report")
        options = [
            *(f"-runs={inputs}", f"-seed={seed}", f"-max_len={found.longest}", f"-dict={words}"),
            *(f"-artifact_prefix={folder}/", "-verbosity=0", "-reload=0", "-detect_leaks=0"),
        ]
        atheris.Setup(["led", *options, str(folder / "inputs")], run.take)
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4]))
