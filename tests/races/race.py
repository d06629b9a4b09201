"""Eight clients that insert the same few keys at the same time, and what each of them was told."""

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from tests.e2e.raw import QUERY, RawClient, command
from tests.e2e.running import Proxy
from tests.matrix.model import Answer, Failure
from tests.matrix.play import read_reply

CLIENTS = 8
KEYS = 24
IN_A_TRANSACTION = 3
DEADLOCK, DUPLICATE = 1213, 1062


@dataclass
class Insert:
    """One INSERT: what it offered, what came back, and when it was under way (seconds)."""

    key: int
    value: str
    number: int
    began: float
    ended: float
    reply: Answer | Failure

    @property
    def answer(self) -> Answer:
        """What came back, if it was an OK."""
        assert isinstance(self.reply, Answer)
        return self.reply


@dataclass
class Told:
    """What the clients were told: INSERTs that hold (committed), and those that ended in an error."""

    held: list[Insert] = field(default_factory=list)
    failed: list[Insert] = field(default_factory=list)
    rolled_back: int = 0

    def errors(self, number: int) -> list[Insert]:
        """The INSERTs that ended in this error."""
        return [one for one in self.failed if isinstance(one.reply, Failure) and one.reply.number == number]

    def of_key(self, key: int) -> list[Insert]:
        """The INSERTs of one key that hold, in the order of their ends."""
        return sorted((one for one in self.held if one.key == key), key=lambda one: one.ended)


Write = Callable[[int, str, int], str]
"""Writes the INSERT of a key, a value that no other client offers, and a number."""


def race(proxy: Proxy, schema: str, write: Write, seconds: float, *, transactions: bool) -> Told:
    """Let the clients race for so many seconds; each is told of its own INSERTs only."""
    start = threading.Barrier(CLIENTS)

    def run(number: int) -> Told:
        client = proxy.raw(database=schema)
        racer = _Racer(client, write, random.Random(number), f"c{number}")
        start.wait(30)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if transactions:
                racer.transaction()
            else:
                racer.insert()
        return racer.told

    with ThreadPoolExecutor(CLIENTS) as pool:
        found = list(pool.map(run, range(CLIENTS)))
    return Told(
        [one for told in found for one in told.held],
        [one for told in found for one in told.failed],
        sum(told.rolled_back for told in found),
    )


class _Racer:
    def __init__(self, client: RawClient, write: Write, chance: random.Random, name: str) -> None:
        self.client = client
        self.write = write
        self.chance = chance
        self.name = name
        self.told = Told()
        self.count = 0

    def insert(self) -> Insert:
        one = self._send()
        (self.told.held if isinstance(one.reply, Answer) else self.told.failed).append(one)
        return one

    def transaction(self) -> None:
        """Run a transaction of several INSERTs; a deadlock has rolled it back, any other error only its statement."""
        done: list[Insert] = []
        self._ask("BEGIN")
        for _ in range(IN_A_TRANSACTION):
            one = self._send()
            if isinstance(one.reply, Answer):
                done.append(one)
                continue
            self.told.failed.append(one)
            if one.reply.number == DEADLOCK:
                self.told.rolled_back += 1
                return
        self._ask("COMMIT")
        self.told.held += done

    def _send(self) -> Insert:
        self.count += 1
        key, number, value = self.chance.randrange(KEYS), self.chance.randrange(1, 9), f"{self.name}-{self.count}"
        began = time.monotonic()
        payload = self._ask(self.write(key, value, number))
        return Insert(key, value, number, began, time.monotonic(), read_reply(payload)[0])

    def _ask(self, text: str) -> bytes:
        self.client.send(command(QUERY, text.encode()))
        return self.client.packet()[1]
