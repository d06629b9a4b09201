"""The applications of the demo: they know nothing of the proxy and collide as real ones do.

    sign-ups    three workers sign up the same people at the same time       shop.users       ux_email
    payments    a client sends a payment again because no answer came        shop.payments    ux_reference
    counters    every view of a page is an INSERT                            shop.page_views  PRIMARY
    coupons     two customers want the same coupon; no rule helps them       shop.coupons     ux_code

Each application draws from a random generator of its own, so that its statements are the same in every run; only how
the applications interleave is not.
"""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any, Final

import pymysql
from pymysql.cursors import Cursor

from proxy.demo.shop import SCHEMA

DUPLICATE: Final = 1062
_PAGES: Final = ("/", "/about", "/basket", "/offers", "/help")
_NAMES: Final = ("Ada", "Alan", "Barbara", "Edsger", "Grace", "Ken", "Margaret", "Niklaus")

_PATIENCE: Final = 30  # seconds for an answer
_WORKERS: Final = 3

Step = Callable[[Cursor], None]


@dataclass(frozen=True, slots=True)
class Target:
    """Where the applications connect to, and as whom: the proxy, or a backend."""

    host: str
    port: int
    user: str
    password: str = ""


class Application:
    """One thread with one connection, which takes its steps one after the other."""

    def __init__(self, name: str, steps: Iterator[Step], pause: float) -> None:
        """Make an application.

        Args:
            name: what it is called in errors.
            steps: what it does, for ever.
            pause: seconds between two steps.
        """
        self.name = name
        self._steps = steps
        self._pause = pause

    def run(self, target: Target, stop: threading.Event, limit: int | None) -> None:
        """Take steps until told to stop.

        Args:
            target: where to connect to.
            stop: set to end.
            limit: the number of steps after which to end; None: no end.

        Raises:
            pymysql.Error: if the connection is lost, or a statement fails for another reason than a duplicate.
        """
        connection: Any = pymysql.connect(
            host=target.host,
            port=target.port,
            user=target.user,
            password=target.password,
            database=SCHEMA,
            autocommit=True,
            connect_timeout=_PATIENCE,
            read_timeout=_PATIENCE,
        )
        with closing(connection), connection.cursor() as cursor:
            for count, step in enumerate(self._steps, 1):
                step(cursor)
                if count == limit or stop.wait(self._pause):
                    return


class Traffic:
    """All applications, running."""

    def __init__(self, target: Target, *, seed: int = 1, pace: float = 1.0) -> None:
        """Make the applications.

        Args:
            target: where they connect to.
            seed: what their random generators start from.
            pace: 1.0 is slow enough to watch; smaller is faster, 0 is without a pause.
        """
        self._target = target
        self._together = threading.Barrier(_WORKERS)
        self._applications = _applications(seed, pace, self._together)
        self._threads: list[threading.Thread] = []
        self._stop = threading.Event()
        self._tell: Callable[[], object] = lambda: None
        self.failures: list[str] = []
        """What went wrong, in words."""

    def when_failed(self, tell: Callable[[], object]) -> None:
        """Have a function called, from another thread, when an application fails; at once if one has failed."""
        self._tell = tell
        if self.failures:
            tell()

    def start(self, limit: int | None = None) -> None:
        """Start all applications; with a limit, each ends after so many steps."""
        for application in self._applications:
            thread = threading.Thread(target=self._run, args=(application, limit), name=application.name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def join(self) -> None:
        """Wait until all applications have ended by themselves."""
        for thread in self._threads:
            thread.join()

    def stop(self) -> None:
        """End all applications."""
        self._stop.set()
        self._together.abort()
        self.join()

    def _run(self, application: Application, limit: int | None) -> None:
        try:
            application.run(self._target, self._stop, limit)
        except Exception as error:  # whatever it is: the demo ends with it instead of going on with less
            self.failures.append(f"{application.name}: {error}")
            self._tell()


def _applications(seed: int, pace: float, together: threading.Barrier) -> list[Application]:
    def chance(name: str) -> random.Random:
        return random.Random(f"{seed} {name}")  # noqa: S311 -- for variety, not for secrets

    signups = [
        Application(f"sign-ups {worker}", _sign_ups(chance("sign-ups"), together), 0.5 * pace)
        for worker in range(1, _WORKERS + 1)
    ]
    return [
        *signups,
        Application("payments", _payments(chance("payments")), 0.3 * pace),
        Application("counters", _counters(chance("counters")), 0.2 * pace),
        Application("coupons", _coupons(chance("coupons")), 0.4 * pace),
    ]


def _sign_ups(chance: random.Random, together: threading.Barrier) -> Iterator[Step]:
    """Sign people up; all workers have the same people in the same order, and begin each together."""
    while True:
        name = chance.choice(_NAMES)
        email = f"{name.lower()}{chance.randrange(10**6)}@example.org"
        yield _with_others(together, _insert("INSERT INTO users (email, name) VALUES (%s, %s)", email, name))


def _with_others(together: threading.Barrier, step: Step) -> Step:
    def wait_and_step(cursor: Cursor) -> None:
        with suppress(threading.BrokenBarrierError):  # at the end, or one of them has failed
            together.wait(_PATIENCE)
        step(cursor)

    return wait_and_step


def _payments(chance: random.Random) -> Iterator[Step]:
    """Pay, and pay again under the same reference now and then; rarely with another amount, which must not pass."""
    while True:
        reference, cents = f"inv-{chance.randrange(10**9):09d}", chance.randrange(100, 100_000)
        pay = "INSERT INTO payments (reference, cents) VALUES (%s, %s)"
        yield _insert(pay, reference, cents)
        fate = chance.random()
        if fate < 0.5:
            yield _insert(pay, reference, cents)
        elif fate < 0.6:
            yield _insert(pay, reference, cents + 1)


def _counters(chance: random.Random) -> Iterator[Step]:
    """Count page views."""
    while True:
        yield _insert("INSERT INTO page_views (page, hits) VALUES (%s, %s)", chance.choice(_PAGES), 1)


def _coupons(chance: random.Random) -> Iterator[Step]:
    """Redeem coupons; most of them twice."""
    for number in itertools.count(1):
        redeem = _insert("INSERT INTO coupons (code) VALUES (%s)", f"SAVE{number}")
        yield redeem
        if number == 1 or chance.random() < 0.6:
            yield redeem


def _insert(statement: str, *values: object) -> Step:
    def step(cursor: Cursor) -> None:
        try:
            cursor.execute(statement, values)
        except pymysql.IntegrityError as error:
            if error.args[0] != DUPLICATE:
                raise

    return step
