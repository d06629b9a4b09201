"""An application on SQLAlchemy that knows nothing of rules."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL, Engine, String, UniqueConstraint, create_engine, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from tests.e2e.running import Proxy, rules_from
from tests.orm.rules import IDEMPOTENT, IGNORE, REPLACE, UPDATE, rules_for

DRIVERS = {"pymysql": {"ssl_disabled": True}, "mysqlconnector": {"use_pure": True, "ssl_disabled": True}}
each_when = pytest.mark.parametrize("when", ["conflict", "always"])
each_driver = pytest.mark.parametrize("driver", DRIVERS)


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"
    __table_args__ = (UniqueConstraint("email", name="ux_email"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(80))
    name: Mapped[str] = mapped_column(String(80))
    logins: Mapped[int] = mapped_column(default=1)


@pytest.fixture
def engine(proxy: Proxy, database: str, driver: str) -> Iterator[Engine]:
    """The application's engine, with the users Ann (1) and Bob (2) in their table."""
    server = proxy.as_server
    url = URL.create(f"mysql+{driver}", server.user, server.password, server.host, server.port, database)
    engine = create_engine(url, connect_args=DRIVERS[driver])
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([User(email="a@x", name="Ann"), User(email="b@x", name="Bob", logins=5)])
        session.commit()
    yield engine
    engine.dispose()


def users(engine: Engine) -> list[tuple[int, str, str, int]]:
    with Session(engine) as session:
        return [(one.id, one.email, one.name, one.logins) for one in session.scalars(select(User).order_by(User.id))]


def add(engine: Engine, *new: User) -> list[tuple[int, str, int]]:
    """Add users as the application does; return each one's id, name and logins as it reads them afterwards."""
    with Session(engine) as session:
        session.add_all(new)
        session.commit()
        return [(one.id, one.name, one.logins) for one in new]


def add_in_savepoint(session: Session, one: User) -> None:
    with session.begin_nested():
        session.add(one)


ANN, BOB = (1, "a@x", "Ann", 1), (2, "b@x", "Bob", 5)


@each_when
@each_driver
def test_ignore(proxy: Proxy, engine: Engine, database: str, when: str, tmp_path: Path) -> None:
    proxy.use_rules(rules_for(database, IGNORE, when, tmp_path))
    assert add(engine, User(email="b@x", name="Bea")) == [(2, "Bob", 5)]
    assert users(engine) == [ANN, BOB]


@each_when
@each_driver
def test_update(proxy: Proxy, engine: Engine, database: str, when: str, tmp_path: Path) -> None:
    proxy.use_rules(rules_for(database, UPDATE, when, tmp_path))
    assert add(engine, User(email="b@x", name="Bea")) == [(2, "Bea", 6)]
    assert users(engine) == [ANN, (2, "b@x", "Bea", 6)]


@each_when
@each_driver
def test_idempotent(proxy: Proxy, engine: Engine, database: str, when: str, tmp_path: Path) -> None:
    proxy.use_rules(rules_for(database, IDEMPOTENT, when, tmp_path))
    assert add(engine, User(email="b@x", name="Bob", logins=5)) == [(2, "Bob", 5)]
    with pytest.raises(IntegrityError, match="1062"):
        add(engine, User(email="b@x", name="Bea"))
    assert users(engine) == [ANN, BOB]


@each_when
@each_driver
def test_replace(proxy: Proxy, engine: Engine, database: str, when: str, tmp_path: Path) -> None:
    proxy.use_rules(rules_for(database, REPLACE, when, tmp_path))
    [(number, name, logins)] = add(engine, User(email="b@x", name="Bea"))
    assert (number > 2, name, logins) == (True, "Bea", 1)
    assert users(engine) == [ANN, (number, "b@x", "Bea", 1)]


@each_when
@each_driver
def test_a_unit_of_work_of_several_users(
    proxy: Proxy, engine: Engine, database: str, when: str, tmp_path: Path
) -> None:
    """Each object has the key of its own row.

    On MariaDB SQLAlchemy inserts all users by one statement with RETURNING and sorts the ids that come back: so the
    proxy leaves it alone, and the application gets the error that it has always got.
    """
    proxy.use_rules(rules_for(database, UPDATE, when, tmp_path))
    new = [User(email=email, name=email[0] * 2) for email in ("c@x", "b@x", "d@x", "a@x", "e@x")]
    with Session(engine) as session:
        session.add_all(new)
        if proxy.server.mariadb:
            with pytest.raises(IntegrityError, match="1062"):
                session.flush()
            assert set(proxy.counted("keyclash_rewrite_skipped_total", rule="users")) == {("returned_rows",)}
            return
        session.flush()
        assert new[1].id == 2
        assert new[3].id == 1
        session.commit()
        found = {one.email: one.id for one in session.scalars(select(User).execution_options(populate_existing=True))}
        assert [(one.email, one.id) for one in new] == [(one.email, found[one.email]) for one in new]
        assert [one.name for one in new] == ["cc", "bb", "dd", "aa", "ee"]


@each_when
@each_driver
def test_a_unit_of_work_that_replaces_several_users(
    proxy: Proxy, engine: Engine, database: str, when: str, tmp_path: Path
) -> None:
    """Each has a new row, so that ids count up in the order of the users on both servers."""
    lines = f"rules: [{{name: users, table: {database}.users, action: replace, allow_replace: true, when: {when}}}]\n"
    proxy.use_rules(rules_from(lines, tmp_path))
    new = [User(email=email, name=email[0] * 2) for email in ("c@x", "b@x", "d@x", "a@x")]
    with Session(engine) as session:
        session.add_all(new)
        session.flush()
        ids = {one.email: one.id for one in new}
        session.commit()
    assert {email: number for number, email, _, _ in users(engine)} == ids


@each_when
@each_driver
def test_savepoints_and_what_comes_after(
    proxy: Proxy, engine: Engine, database: str, when: str, tmp_path: Path
) -> None:
    proxy.use_rules(rules_for(database, IDEMPOTENT, when, tmp_path))
    with Session(engine) as session:
        session.add(User(email="c@x", name="Cat"))
        session.flush()
        with pytest.raises(IntegrityError):
            add_in_savepoint(session, User(email="a@x", name="Abe"))
        same = User(email="a@x", name="Ann", logins=1)
        session.add(same)
        session.flush()
        assert same.id == 1
        session.commit()
    assert [row[1:3] for row in users(engine)] == [("a@x", "Ann"), ("b@x", "Bob"), ("c@x", "Cat")]


@each_when
@each_driver
def test_the_core(proxy: Proxy, engine: Engine, database: str, when: str, tmp_path: Path) -> None:
    """One row, and several: both drivers make one statement of them."""
    proxy.use_rules(rules_for(database, IGNORE, when, tmp_path))
    with engine.begin() as connection:
        result = connection.execute(insert(User).values(email="b@x", name="Bea"))
        assert result.inserted_primary_key == (2,)
        rows = [{"email": email, "name": "Many", "logins": 1} for email in ("a@x", "c@x", "b@x")]
        connection.execute(insert(User), rows)
    assert [row[1:3] for row in users(engine)] == [("a@x", "Ann"), ("b@x", "Bob"), ("c@x", "Many")]
