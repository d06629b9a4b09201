"""Sign-ups that race: many clients insert the same keys at the same time."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e.running import Proxy, rules_from
from tests.e2e.users import USERS, rows, rule, run

CLIENTS, KEYS = 8, 50
Found = list[tuple[str, int, int]]


@pytest.mark.parametrize("when", ["conflict", "always"])
def test_every_client_gets_the_one_rows_id(proxy: Proxy, database: str, tmp_path: Path, when: str) -> None:
    run(proxy.connect_directly(database=database), USERS)
    text = rule("signup", f"{database}.users", f"action: ignore; return_id: id; when: {when}")
    proxy.use_rules(rules_from(text, tmp_path))
    start = threading.Barrier(CLIENTS)

    def sign_up(number: int) -> Found:
        found = []
        with proxy.connect(database=database) as connection, connection.cursor() as cursor:
            start.wait(30)
            for key in range(KEYS):
                # each client begins elsewhere on the ring of keys, so that all meet and overtake each other
                email = f"user{(key + number * 3) % KEYS}@example.com"
                count = cursor.execute("INSERT INTO users (email, name) VALUES (%s, %s)", (email, email))
                found.append((email, count, cursor.lastrowid))
        return found

    with ThreadPoolExecutor(CLIENTS) as pool:
        found = [line for lines in pool.map(sign_up, range(CLIENTS)) for line in lines]
    ids: dict[str, int] = dict(rows(proxy.connect_directly(database=database), "SELECT email, id FROM users"))
    assert len(ids) == KEYS
    assert [line for line in found if line[2] != ids[line[0]]] == []
    assert Counter(count for _, count, _ in found) == {1: KEYS, 0: (CLIENTS - 1) * KEYS}
    labels = {"schema": database, "table": "users", "key": "ux_email", "statement": "insert", "rule": "signup"}
    assert proxy.counted("keyclash_conflicts_total", **labels) == {("kept",): (CLIENTS - 1) * KEYS}
