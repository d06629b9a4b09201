"""Accounts for login tests."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from tests.servers.launch import Server


@dataclass(frozen=True, slots=True)
class Account:
    """An account that may log in from anywhere."""

    user: str
    password: str


class AccountMaker(Protocol):
    """Makes an account.

    password: "" for none.
    plugin: the authentication plug-in, the server's default when None.
    require: what the server demands of the connection, such as "SSL" or "X509".
    grants: what GRANT takes between its first word and TO, "" for nothing.
    """

    def __call__(
        self,
        password: str = "secret",
        *,
        plugin: str | None = None,
        require: str = "NONE",
        grants: str = "ALL ON *.*",
    ) -> Account: ...


@contextmanager
def account_maker(server: Server) -> Iterator[AccountMaker]:
    """Yield a function that makes accounts on `server`; they are dropped at the end of the block."""
    users: list[str] = []

    def make(
        password: str = "secret",
        *,
        plugin: str | None = None,
        require: str = "NONE",
        grants: str = "ALL ON *.*",
    ) -> Account:
        user = f"user_{secrets.token_hex(6)}"
        with server.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE USER {user}@'%%' {_identified(server, plugin)} REQUIRE {require}", (password,))
            users.append(user)
            if grants:
                cursor.execute(f"GRANT {grants} TO {user}@'%'")
        return Account(user, password)

    yield make
    with server.connect() as connection, connection.cursor() as cursor:
        for user in users:
            cursor.execute(f"DROP USER {user}@'%'")


def _identified(server: Server, plugin: str | None) -> str:
    if plugin is None:
        return "IDENTIFIED BY %s"
    return f"IDENTIFIED VIA {plugin} USING PASSWORD(%s)" if server.mariadb else f"IDENTIFIED WITH {plugin} BY %s"
