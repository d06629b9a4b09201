"""What the application does."""

from collections.abc import Callable
from typing import Any

from django.db import IntegrityError, transaction

from tests.orm.accounts.models import User

Told = list[Any]


def use() -> dict[str, Any]:
    """Add users that are there already, in each way; return what the application reads each time."""
    found: dict[str, Any] = {
        "create": told(lambda: User.objects.create(email="b@x", name="Bob", logins=5)),
        "save": told(saved),
        # the look-up misses the user because of its name, as it does if another client adds the user just then
        "get_or_create": told(lambda: User.objects.get_or_create(email="b@x", name="Bea")[0]),
        "new": told(lambda: User.objects.create(email="new@x", name="Nan")),
        "in a transaction": told(in_a_transaction),
        "bulk_create": many(),
    }
    found["users"] = list(User.objects.order_by("id").values_list("email", "name", "logins"))
    found["ids"] = dict(User.objects.values_list("email", "id"))
    return found


def told(add: Callable[[], User]) -> Told:
    try:
        user = add()
    except IntegrityError as error:
        return [error.args[0]]
    number = user.pk
    user.refresh_from_db()
    return [number, user.email, user.name, user.logins]


def saved() -> User:
    user = User(email="a@x", name="Ann")
    user.save()
    return user


def in_a_transaction() -> User:
    """Add a user, and go on whether or not it was there."""
    with transaction.atomic():
        try:
            with transaction.atomic():
                user: User = User.objects.create(email="a@x", name="Abe")
        except IntegrityError:
            user = User.objects.get(email="a@x")
        User.objects.get_or_create(email="after@x", defaults={"name": "Pat"})
    return user


def many() -> Told:
    """Add several users at once; on MySQL Django learns no ids, on MariaDB those that RETURNING gives."""
    users = [User(email=f"{name}@x", name=name) for name in ("c", "b", "d", "a")]
    try:
        User.objects.bulk_create(users)
    except IntegrityError as error:
        return [error.args[0]]
    return [(user.pk, user.email) for user in users]
