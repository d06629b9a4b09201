"""The cases of the matrix: statement form x offered rows x rule x protocol x transaction, for each server."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from zlib import crc32

from tests.matrix.forms import FORMS, VALUES, Form
from tests.matrix.model import Key, Offer, Row, Rule, Table, Value

CODE, EMAIL, NAME = Key("ux_code", ("code",)), Key("ux_email", ("email",)), Key("ux_name", ("name",))
T = Table(
    "t",
    ("id", "code", "email", "name", "n"),
    {"code": None, "email": None, "name": None, "n": 1},
    (Key("PRIMARY", ("id",)), CODE, EMAIL, NAME),
    "id",
)
"""The keys before and behind ux_email show what becomes of conflicts that a rule for it is not for."""

P = Table(
    "p",
    ("region", "email", "name", "n"),
    {"region": None, "email": None, "name": None, "n": 1},
    (Key("ux_email", ("region", "email")), Key("ux_name", ("region", "name"))),
)
"""A table with partitions, whose keys all hold the column that parts them."""

SEED: tuple[tuple[Value, ...], ...] = ((1, 10, "a@x", "Ann", 1), (2, 20, "b@x", "Bob", 5), (3, 30, "c@x", None, 7))
SEED_OF = {
    "t": tuple(dict(zip(T.columns, values, strict=True)) for values in SEED),
    "p": tuple(dict(zip(P.columns, (1, *values[2:]), strict=True)) for values in SEED),
}


def _offer(*rows: tuple[Value, ...], columns: tuple[str, ...] = ("code", "email", "name")) -> Offer:
    return Offer(columns, rows)


OFFERS = {
    "new": _offer((40, "d@x", "Dan")),
    "same": _offer((11, "a@x", "Ann2")),
    "email": _offer((11, "a@x", "Alf")),
    "email in another case": _offer((11, "A@X", "Alf")),
    "the whole row": _offer((10, "a@x", "Ann")),
    "the whole row in another case": _offer((10, "a@x", "ANN")),
    "email, and no name": _offer((31, "c@x", None)),
    "the row with NULL": _offer((30, "c@x", None)),
    "a key before": _offer((10, "d@x", "Dan")),
    "a key behind": _offer((40, "d@x", "Ann")),
    "email and a key before of the same row": _offer((10, "a@x", "Alf")),
    "email and a key before of another row": _offer((20, "a@x", "Alf")),
    "email and a key behind of another row": _offer((11, "a@x", "Bob")),
    "three keys of three rows": _offer((30, "b@x", "Ann")),
    "rows: new": _offer((40, "d@x", "Dan"), (50, "e@x", "Eve"), (60, "f@x", None)),
    "rows: first": _offer((11, "a@x", "Alf"), (50, "e@x", "Eve"), (60, "f@x", "Fay")),
    "rows: middle": _offer((40, "d@x", "Dan"), (11, "a@x", "Alf"), (60, "f@x", "Fay")),
    "rows: last": _offer((40, "d@x", "Dan"), (50, "e@x", "Eve"), (11, "a@x", "Alf")),
    "rows: all": _offer((11, "a@x", "Alf"), (21, "b@x", "Bea")),
    "rows: all, the same": _offer((10, "a@x", "Ann"), (20, "b@x", "Bob"), (30, "c@x", None)),
    "rows: one twice": _offer((11, "a@x", "Alf"), (12, "a@x", "Abe")),
    "rows: a new one twice": _offer((40, "d@x", "Dan"), (41, "d@x", "Dee")),
    "rows: a new one twice, the same": _offer((40, "d@x", "Dan"), (40, "d@x", "Dan")),
    "rows: email, then a key before": _offer((11, "a@x", "Alf"), (20, "d@x", "Dan")),
    "rows: a key behind, then email": _offer((40, "d@x", "Bob"), (11, "a@x", "Alf")),
    "rows: new, then a key before": _offer((40, "d@x", "Dan"), (20, "e@x", "Eve")),
    "with n": _offer((11, "a@x", "Alf", 3), columns=("code", "email", "name", "n")),
    "with n: the whole row": _offer((20, "b@x", "Bob", 5), columns=("code", "email", "name", "n")),
    "with n: rows": _offer(
        (11, "a@x", "Alf", 3), (50, "e@x", "Eve", 4), (12, "a@x", "Abe", 5), columns=("code", "email", "name", "n")
    ),
    "with id": _offer((77, 11, "a@x", "Alf"), columns=("id", "code", "email", "name")),
    "with id: new": _offer((77, 40, "d@x", "Dan"), columns=("id", "code", "email", "name")),
    "with id: of the row": _offer((1, 10, "a@x", "Ann"), columns=("id", "code", "email", "name")),
    "with id: of another row": _offer((2, 11, "a@x", "Alf"), columns=("id", "code", "email", "name")),
    "only the key": _offer(("a@x",), ("d@x",), columns=("email",)),
}

EMAIL_ONLY = Rule("observe", keys=("ux_email",), columns=(("email",),))
ANY_KEY = Rule("observe")
COUNT = (("n", "old.n + new.n"),)

RULES = {
    "observe": EMAIL_ONLY,
    "ignore": replace(EMAIL_ONLY, action="ignore"),
    "ignore, id": replace(EMAIL_ONLY, action="ignore", return_id="id"),
    "ignore, as an insert": replace(EMAIL_ONLY, action="ignore", return_id="id", as_insert=True),
    "ignore, any key": replace(ANY_KEY, action="ignore"),
    "ignore, two keys": Rule("ignore", ("ux_email", "ux_name"), (("email",), ("name",))),
    "ignore, dry run": replace(EMAIL_ONLY, action="ignore", dry_run=True),
    "update": replace(EMAIL_ONLY, action="update", set=COUNT),
    "update, id": replace(EMAIL_ONLY, action="update", set=COUNT, return_id="id"),
    "update, as an insert": replace(EMAIL_ONLY, action="update", set=COUNT, as_insert=True),
    "update of a name": replace(EMAIL_ONLY, action="update", set=(("name", "new.name"),)),
    "update of everything": Rule(
        "update", ("ux_code",), (("code",),), (("email", "new.email"), ("name", "new.name"), ("n", "new.n"))
    ),
    "update, any key": replace(ANY_KEY, action="update", set=COUNT, return_id="id"),
    "idempotent": replace(EMAIL_ONLY, action="idempotent"),
    "idempotent, id": replace(EMAIL_ONLY, action="idempotent", return_id="id", as_insert=True),
    "idempotent, any key": replace(ANY_KEY, action="idempotent"),
    "replace": Rule("replace", ("ux_email",)),
    "replace, any key": Rule("replace"),
    "replace, as an insert": Rule("replace", as_insert=True),
}

FEW_OFFERS = ("new", "email", "the whole row", "a key before", "rows: middle", "rows: all", "rows: one twice", "with n")
FEW_RULES = ("ignore", "ignore, id", "update, as an insert", "idempotent", "replace", "replace, any key")
TRANSACTIONS = ("autocommit", "commit", "rollback")


@dataclass(frozen=True)
class Case:
    """One case; its name tells all of it but the server."""

    name: str
    table: Table
    form: Form
    offer: Offer
    rule: Rule
    prepared: bool
    transaction: str
    found_rows: bool

    @property
    def rows(self) -> list[Row]:
        """The rows that are there."""
        return [dict(row) for row in SEED_OF[self.table.name]]


def _in_partition(offer: Offer) -> Offer:
    """Offer the same to the table with partitions: a region stands for the code."""
    at = offer.columns.index("code")
    columns = tuple("region" if column == "code" else column for column in offer.columns)
    return replace(offer, columns=columns, rows=tuple((*row[:at], 1, *row[at + 1 :]) for row in offer.rows))


def _for_partition(rule: Rule) -> Rule:
    return replace(rule, columns=tuple(("region", *group) for group in rule.columns), return_id="")


def cases(mariadb: bool, rule: str, always: bool, *, full: bool) -> Iterator[Case]:
    """Give the cases of one rule; full: with every kind of transaction and flags, which else take turns."""
    for form_name, form in FORMS.items():
        if not (form.mariadb if mariadb else form.mysql) or (form_name != VALUES and rule not in FEW_RULES):
            continue
        for offer_name, offer in OFFERS.items():
            if len(offer.rows) > form.rows or (form_name != VALUES and offer_name not in FEW_OFFERS):
                continue
            for prepared in (False,) if form.several else (False, True):
                name = f"{form_name} | {offer_name} | {rule} | {always=} | {prepared=}"
                kinds = [(transaction, found_rows) for transaction in TRANSACTIONS for found_rows in (False, True)]
                if not full:
                    kinds = [kinds[crc32(name.encode()) % len(kinds)]]
                in_force = replace(RULES[rule], always=always, mysql=not mariadb)
                table, offered = T, form.offers(offer)
                if form.partitioned:
                    table, offered, in_force = P, _in_partition(offer), _for_partition(in_force)
                if not mariadb and not prepared:  # MySQL 9.7 warns when it parses, which is at PREPARE
                    offered = replace(offered, warnings=form.hint_warnings, deprecations=True)
                for transaction, found_rows in kinds:
                    told = f"{name} | {transaction} | {found_rows=}"
                    yield Case(told, table, form, offered, in_force, prepared, transaction, found_rows)
