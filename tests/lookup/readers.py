"""Readers on real servers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from pydantic import SecretBytes

from proxy.config import Address
from proxy.lookup.reader import Reader
from proxy.lookup.source import Source
from tests.servers.accounts import Account
from tests.servers.launch import Server

TIMEOUT = 5.0


def source(server: Server, account: Account, **changes: Any) -> Source:
    password = SecretBytes(account.password.encode())
    return replace(Source((Address(server.host, server.port),), account.user, password, TIMEOUT), **changes)


@asynccontextmanager
async def reading(source: Source) -> AsyncIterator[Reader]:
    reader = Reader(source)
    try:
        yield reader
    finally:
        await reader.close()


def execute(server: Server, *statements: str, **arguments: Any) -> None:
    with server.connect(**arguments) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
