"""Where somebody listens, and networks."""

import ipaddress
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

_ADDRESS: Final = re.compile(r"(?:\[(?P<ipv6>[0-9A-Fa-f:.%\w]+)\]|(?P<host>[^\s:\[\]/]+)):(?P<port>\d{1,5})")
_UNIX: Final = "unix:"
_LONGEST_PATH: Final = 107
"""Bytes in `sockaddr_un` without the NUL at the end, see unix(7)."""


@dataclass(frozen=True, slots=True)
class Address:
    """A TCP address; port 0 asks the system for a free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read `host:port` or `[ipv6]:port`; raises ValueError for anything else."""
        match = _ADDRESS.fullmatch(text)
        if match is None or int(match["port"]) > 65535:
            raise ValueError(f"'{text}' is no address (expected host:port, such as 127.0.0.1:3306 or [::1]:3306)")
        return cls(match["ipv6"] or match["host"], int(match["port"]))


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """A Unix socket by its file."""

    path: Path

    def __str__(self) -> str:
        return f"{_UNIX}{self.path}"


Endpoint: TypeAlias = Address | UnixAddress
"""Where somebody listens for the MySQL protocol."""

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


def parse_endpoint(text: str) -> Endpoint:
    """Read `host:port`, `[ipv6]:port` or `unix:/path`; raises ValueError for anything else."""
    if not text.startswith(_UNIX):
        try:
            return Address.parse(text)
        except ValueError:
            expected = "expected host:port, [ipv6]:port or unix:/path"
            raise ValueError(f"'{text}' is no address ({expected}, such as 127.0.0.1:3306)") from None
    path = text.removeprefix(_UNIX)
    if not 0 < len(os.fsencode(path)) <= _LONGEST_PATH or "\0" in path:
        raise ValueError(f"'{text}' is no address (expected the path of a socket, 1 to {_LONGEST_PATH} bytes)")
    return UnixAddress(Path(path))
