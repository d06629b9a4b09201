"""What is done with the shop's tables."""

import datetime
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from django.db import DatabaseError, connection, models, transaction

from tests.clients.programs.shop.models import Customer, Order
from tests.clients.programs.transcript import blob, show


@contextmanager
def refused(title: str, number: int) -> Iterator[None]:
    try:
        with transaction.atomic():
            yield
    except DatabaseError as error:
        if error.args[0] != number:
            raise
        show(title, [type(error).__name__, error.args])
    else:
        raise AssertionError(f"{title} ended well and not with error {number}")


def describe() -> None:
    with connection.cursor() as cursor:
        for table in sorted(connection.introspection.table_names(cursor)):
            show(f"columns of {table}", connection.introspection.get_table_description(cursor, table))
            found = connection.introspection.get_constraints(cursor, table)
            show(f"keys of {table}", sorted((tuple(key["columns"]), key["unique"]) for key in found.values()))


def fill() -> None:
    for number in range(30):
        one = Customer.objects.create(
            email=f"c{number}@x",
            details={"n": number, "text": "\U0001f600", "none": None},
            seen=datetime.datetime(2024, 2, 29, 12, 34, 56, number, tzinfo=datetime.UTC),
            photo=blob(number),
        )
        parts = [Order(customer=one, total=Decimal(f"{number}.{part}")) for part in range(number % 4)]
        Order.objects.bulk_create(parts)


def collide() -> None:
    show("get or create", [Customer.objects.get_or_create(email=email)[1] for email in ("c1@x", "new@x", "new@x")])
    changed = Customer.objects.update_or_create(email="c2@x", defaults={"details": [1, 2]})
    show("update or create", [changed[0].details, changed[1]])
    with refused("duplicate", 1062):
        Customer.objects.create(email="c3@x")
    again = [Customer(email=email, active=False) for email in ("c4@x", "c5@x", "newer@x")]
    Customer.objects.bulk_create(again, ignore_conflicts=True)
    show("ignored", Customer.objects.filter(active=False).count())
    Customer.objects.bulk_create(again, update_conflicts=True, update_fields=["active"])
    show("updated", Customer.objects.filter(active=False).count())
    with refused("too long", 1406):
        Customer.objects.create(email="x" * 101)


def ask() -> None:
    query: Any = Customer.objects.annotate(total=models.Sum("orders__total"), n=models.Count("orders")).order_by("id")
    show("customers", list(query.values_list()))
    show("chunks", [one.email for one in Customer.objects.order_by("id").iterator(chunk_size=7)])
    show("update", Order.objects.filter(total__gt=10).update(total=models.F("total") * 2))
    show("in JSON", list(Customer.objects.filter(details__n__gt=27).values_list("email", flat=True).order_by("id")))
    with transaction.atomic():
        show("locked", Customer.objects.select_for_update().get(email="c7@x").photo)
    show("deleted", Customer.objects.filter(email__endswith="9@x").delete())
    show("orders", list(Order.objects.order_by("id").values_list()))
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s, %s, @@session.sql_mode", ["\U0001f600", None])
        show("raw", cursor.fetchall())
        cursor.callproc("double_it", [7, 21, ""])
        show("procedure", [cursor.fetchall(), cursor.nextset(), cursor.fetchall()])


def use(setup: Sequence[str]) -> None:
    """Make the tables and work with them; `setup` makes the procedures."""
    show("server", [connection.mysql_version, connection.mysql_is_mariadb])
    with connection.cursor() as cursor:
        for statement in setup:
            cursor.execute(statement)
    with connection.schema_editor() as editor:
        editor.create_model(Customer)
        editor.create_model(Order)
    for step in (describe, fill, collide, ask):
        show("step", step.__name__)
        step()
    connection.close()
