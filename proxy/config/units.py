"""The types of values that are written in a form of their own: addresses, and numbers with their units."""

import ipaddress
import re
from collections.abc import Callable, Sequence
from typing import Annotated, Final, TypeVar

from pydantic import BeforeValidator, PlainValidator, Strict
from pydantic_core import PydanticCustomError

from proxy.config.addresses import Address, Endpoint, Network, parse_endpoint
from proxy.config.wording import in_yaml

T = TypeVar("T")

AUTO_WORKERS: Final = 0
"""Stands for as many workers as there are cores."""
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h)")
_PERMISSIONS: Final = re.compile(r"0?[0-7]{3}")
_SIZE: Final = re.compile(r"(\d+)\s*(B|KiB|MiB|GiB)")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_BYTES: Final = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def _expected(message: str) -> PydanticCustomError:
    return PydanticCustomError("expected", "{message}", {"message": message})


def _address(value: object) -> object:
    try:
        return Address.parse(str(value))
    except ValueError as error:
        raise _expected(str(error)) from None


def _endpoints(value: object) -> Endpoint | tuple[Endpoint, ...]:
    if not isinstance(value, list | tuple):
        return _each(parse_endpoint, [value])[0]
    found = _each(parse_endpoint, value)
    if not found or len(set(found)) < len(found):
        raise _expected(f"{in_yaml(value)} {'has an address twice' if found else 'does not fit'} (expected addresses)")
    return found


def _networks(value: object) -> tuple[Network, ...]:
    if not isinstance(value, list | tuple):
        raise _expected(f"{in_yaml(value)} does not fit (expected a list)")
    return _each(_network, value)


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError(f"{error} (expected networks such as 10.0.0.0/8 or fd00::/8, or addresses)") from None


def _each(parse: Callable[[str], T], values: Sequence[object]) -> tuple[T, ...]:
    """Parse the items of a list; tells all that are wrong."""
    found, wrong = [], []
    for value in values:
        try:
            found.append(parse(str(value)))
        except ValueError as error:
            wrong.append(str(error))
    if wrong:
        raise _expected("; ".join(wrong))
    return tuple(found)


def _permissions(value: object) -> int:
    # A bare 0660 is 660 to YAML 1.2, and 0o660 is for those who know: only text cannot be misread.
    if isinstance(value, str) and _PERMISSIONS.fullmatch(value):
        return int(value, 8)
    raise _expected(f'{in_yaml(value)} is no file mode (expected octal digits in quotes, such as "0660")')


def _duration(value: object) -> object:
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None or float(match[1]) == 0:
        raise _expected(
            f"{in_yaml(value)} is no duration (expected a number above 0 with its unit: 500ms, 10s, 5m or 1h)"
        )
    return float(match[1]) * _SECONDS[match[2]]


def _size(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None or int(match[1]) == 0:
        raise _expected(f"{in_yaml(value)} is no size (expected bytes above 0, such as 65536, 64KiB, 1MiB or 1GiB)")
    return int(match[1]) * _BYTES[match[2]]


def _count(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise _expected(f"{in_yaml(value)} is no count (expected a whole number, 0 or more)")


def parse_workers(value: object) -> int:
    """Read a number of workers, 1 to 64, or `auto`; raises ValueError for anything else."""
    if str(value) == "auto":
        return AUTO_WORKERS
    if not isinstance(value, bool) and str(value).isascii() and str(value).isdigit() and 0 < int(str(value)) <= 64:
        return int(str(value))
    raise ValueError(f"{in_yaml(value)} is no number of workers (expected 1 to 64, or auto)")


def _workers(value: object) -> int:
    try:
        return parse_workers(value)
    except ValueError as error:
        raise _expected(str(error)) from None


Seconds = Annotated[float, BeforeValidator(_duration)]  # 500ms, 10s, 5m, 1h
Bytes = Annotated[int, BeforeValidator(_size)]  # 65536, 64KiB, 1MiB, 1GiB
Count = Annotated[int, BeforeValidator(_count)]  # 0, 1000
Flag = Annotated[bool, Strict()]  # true, false
Permissions = Annotated[int, PlainValidator(_permissions)]  # "0660"
Workers = Annotated[int, PlainValidator(_workers)]  # 2, auto
HostPort = Annotated[Address, BeforeValidator(_address)]  # 127.0.0.1:9104
Endpoints = Annotated[Endpoint | tuple[Endpoint, ...], PlainValidator(_endpoints)]  # one or [several], also unix:/path
Networks = Annotated[tuple[Network, ...], PlainValidator(_networks)]  # [10.0.0.0/8, "fd00::/8"]
