"""A small application on SQLAlchemy: its models, sessions and pools on two blocking drivers and one for asyncio."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from sqlalchemy import JSON, URL, ForeignKey, Numeric, String, create_engine, func, inspect, select, update
from sqlalchemy.dialects.mysql import DATETIME, LONGBLOB, insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship, selectinload

from tests.clients.programs.transcript import blob, read_settings, show

UNVERIFIED = {"check_hostname": False, "verify_mode": "none"}


class Base(DeclarativeBase):
    pass


class Customer(Base):
    __tablename__ = "customers"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(100), unique=True)
    details: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    seen: Mapped[datetime.datetime | None] = mapped_column(DATETIME(fsp=6))
    photo: Mapped[bytes | None] = mapped_column(LONGBLOB)
    orders: Mapped[list[Order]] = relationship(back_populates="customer", order_by="Order.id")


class Order(Base):
    __tablename__ = "customer_orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey(Customer.id))
    total: Mapped[Decimal] = mapped_column(Numeric(12, 2))
    customer: Mapped[Customer] = relationship(back_populates="orders")


@contextmanager
def refused(title: str, number: int) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        original: Any = error.orig
        if number not in original.args:
            raise
        show(title, [type(error).__name__, original.args])
    else:
        raise AssertionError(f"{title} ended well and not with error {number}")


def customers() -> list[Customer]:
    return [
        Customer(
            email=f"c{number}@x",
            details={"n": number, "text": "\U0001f600", "none": None},
            seen=datetime.datetime(2024, 2, 29, 12, 34, 56, number),
            photo=blob(number),
            orders=[Order(total=Decimal(f"{number}.{part}")) for part in range(number % 4)],
        )
        for number in range(30)
    ]


def everything_of(session: Session) -> list[object]:
    return [
        (one.id, one.email, one.details, one.seen, one.photo, [(order.id, order.total) for order in one.orders])
        for one in session.scalars(select(Customer).options(selectinload(Customer.orders)).order_by(Customer.id))
    ]


def use(url: URL, arguments: dict[str, Any]) -> None:
    engine = create_engine(url, connect_args=arguments, pool_pre_ping=True, pool_size=3)
    Base.metadata.drop_all(engine)
    Base.metadata.create_all(engine)
    found = inspect(engine)
    for table in sorted(found.get_table_names()):
        show(
            f"columns of {table}",
            [(one["name"], str(one["type"]), one["nullable"]) for one in found.get_columns(table)],
        )
        show(f"keys of {table}", [found.get_indexes(table), found.get_foreign_keys(table)])
    with Session(engine) as session:
        session.add_all(customers())
        session.commit()
        show("rows", everything_of(session))
        upsert = insert(Customer).values(email="c1@x", details={"n": -1})
        result: Any = session.execute(upsert.on_duplicate_key_update(details=upsert.inserted.details))
        show("upsert", result.rowcount)
        with refused("duplicate", 1062), session.begin_nested():
            session.add(Customer(email="c2@x"))
            session.flush()
        result = session.execute(update(Customer).where(Customer.id > 20).values(details=None))
        show("update", result.rowcount)
        session.rollback()
        total = select(Customer.email, func.sum(Order.total)).join(Order).group_by(Customer.email)
        show("totals", session.execute(total.order_by(Customer.email)).all())
    with engine.connect().execution_options(stream_results=True, yield_per=7) as connection:
        show("stream", [row.email for row in connection.execute(select(Customer.email).order_by(Customer.id))])
    with engine.connect().execution_options(isolation_level="SERIALIZABLE") as connection:
        show("isolation", connection.get_isolation_level())
    engine.dispose()


async def use_asynchronously(url: URL, arguments: dict[str, Any]) -> None:
    engine = create_async_engine(url, connect_args=arguments)
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.drop_all)
        await connection.run_sync(Base.metadata.create_all)
    async with AsyncSession(engine) as session:
        session.add_all(customers())
        await session.commit()
        show("rows", await session.run_sync(everything_of))
        with refused("duplicate", 1062):
            await session.execute(insert(Customer).values(email="c2@x"))
        await session.rollback()
    async with engine.connect() as connection:
        rows = await connection.stream(select(Customer.email).order_by(Customer.id))
        show("stream", [row.email async for row in rows])
    await engine.dispose()


def main() -> None:
    settings = read_settings()
    names = {"username": "user", "password": "password", "host": "host", "port": "port", "database": "database"}
    address = {argument: settings[name] for argument, name in names.items()}
    address["query"] = {"charset": "utf8mb4"}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    use(URL.create("mysql+pymysql", **address), {"ssl": UNVERIFIED} if settings["tls"] else {"ssl_disabled": True})
    pure = {"use_pure": True, "ssl_disabled": not settings["tls"]}
    use(URL.create("mysql+mysqlconnector", **address), pure)
    asyncio.run(use_asynchronously(URL.create("mysql+asyncmy", **address), {"ssl": context} if settings["tls"] else {}))


if __name__ == "__main__":
    main()
