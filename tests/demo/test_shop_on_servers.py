"""The demo's applications and rules do the same on the embedded backend as on real servers."""

from __future__ import annotations  # PyMySQL's connection is generic in its type stubs only

import asyncio
from collections.abc import Iterator
from typing import Any

import pymysql
import pytest

from proxy.config import Address, ProxyConfig
from proxy.conflicts.conflict import Outcome
from proxy.demo.run import RULES
from proxy.demo.shop import SCHEMA, open_shop
from proxy.demo.traffic import Target, Traffic
from proxy.net.loop import Loop
from proxy.run.supervisor import serve
from tests.servers.launch import Server

STEPS = 30
CONTENTS = (
    "SELECT email, name FROM users ORDER BY email",
    "SELECT reference, cents FROM payments ORDER BY reference",
    "SELECT page, hits FROM page_views ORDER BY page",
    "SELECT code FROM coupons ORDER BY code",
)

Result = tuple[dict[tuple[str, str, str], int], list[Any]]


@pytest.fixture
def shop(server: Server) -> Iterator[Target]:
    """The demo's tables on a real server."""
    target = Target(server.host, server.port, server.user, server.password)
    open_shop(target.host, target.port, target.user, target.password)
    yield target
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE {SCHEMA}")


def trade(target: Target) -> Result:
    """Let the applications take some steps through a proxy; returns the conflicts and the tables' contents."""
    with asyncio.Runner(loop_factory=Loop) as runner:
        conflicts = runner.run(_trade(target))
    connection: Any = pymysql.connect(
        host=target.host, port=target.port, user=target.user, password=target.password, database=SCHEMA
    )
    with connection, connection.cursor() as cursor:
        contents = []
        for statement in CONTENTS:
            cursor.execute(statement)
            contents.append(cursor.fetchall())
    return conflicts, contents


async def _trade(target: Target) -> dict[tuple[str, str, str], int]:
    anywhere = Address("127.0.0.1", 0)
    config = ProxyConfig(listen=anywhere, backend=Address(target.host, target.port), admin=anywhere, rules=RULES)
    async with serve(config) as running:
        through = Target(running.address.host, running.address.port, target.user, target.password)
        traffic = Traffic(through, pace=0)
        traffic.start(limit=STEPS)
        await asyncio.to_thread(traffic.join)
        assert traffic.failures == []
    return {
        (f"{labels.schema}.{labels.table}.{labels.key}", labels.rule, labels.outcome): count
        for labels, count in running.counters.conflicts.items()
    }


def open_embedded(port: int) -> Target:
    with pymysql.connect(host="127.0.0.1", port=port, user="demo") as connection, connection.cursor() as cursor:
        cursor.execute("DROP DATABASE shop")
    open_shop("127.0.0.1", port, "demo")
    return Target("127.0.0.1", port, "demo")


def test_the_demo_shows_what_it_promises(port: int) -> None:
    conflicts, (users, payments, pages, coupons) = trade(open_embedded(port))
    assert len(users) == STEPS  # three workers, one account each
    assert conflicts[("shop.users.ux_email", "signup-email", Outcome.KEPT)] == 2 * STEPS
    kept = conflicts[("shop.payments.ux_reference", "payment-retry", Outcome.KEPT)]
    refused = conflicts[("shop.payments.ux_reference", "payment-retry", Outcome.REFUSED)]
    assert kept > 0
    assert refused > 0
    assert len(payments) == STEPS - kept - refused
    assert sum(hits for _, hits in pages) == STEPS
    assert conflicts[("shop.page_views.PRIMARY", "page-counter", Outcome.UPDATED)] == STEPS - len(pages)
    assert conflicts[("shop.coupons.ux_code", "", Outcome.RETURNED)] == STEPS - len(coupons)
    assert len(conflicts) == 5


def test_the_same_on_a_real_server(port: int, shop: Target) -> None:
    assert trade(shop) == trade(open_embedded(port))
