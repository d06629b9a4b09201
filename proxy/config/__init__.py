"""YAML files into frozen, validated values; every mistake is told with its file and line, all of them at once.

`document` reads YAML and keeps the lines; `validation` makes values of any model of it. The model of config/proxy.yaml
is in `settings`, which consist of `addresses` and `units`; `loading` reads it, and finds what contradicts itself.
"""

from proxy.config.addresses import Address, Endpoint, Network, UnixAddress, parse_endpoint
from proxy.config.document import Document, Loc, read_yaml
from proxy.config.loading import load_config
from proxy.config.problem import ConfigError, Problem
from proxy.config.settings import (
    FORBID,
    BackendCompression,
    BackendTls,
    BackendTlsMode,
    ClientTls,
    ClientTlsMode,
    Compression,
    CompressionAlgorithm,
    Conflicts,
    Limits,
    Log,
    LogFormat,
    LogLevel,
    Lookup,
    ProxyConfig,
    ProxyProtocol,
    ProxyProtocolVersion,
)
from proxy.config.units import Flag, parse_workers
from proxy.config.validation import load_yaml, validate
from proxy.config.wording import in_yaml

__all__ = [
    "FORBID",
    "Address",
    "BackendCompression",
    "BackendTls",
    "BackendTlsMode",
    "ClientTls",
    "ClientTlsMode",
    "Compression",
    "CompressionAlgorithm",
    "ConfigError",
    "Conflicts",
    "Document",
    "Endpoint",
    "Flag",
    "Limits",
    "Loc",
    "Log",
    "LogFormat",
    "LogLevel",
    "Lookup",
    "Network",
    "Problem",
    "ProxyConfig",
    "ProxyProtocol",
    "ProxyProtocolVersion",
    "UnixAddress",
    "in_yaml",
    "load_config",
    "load_yaml",
    "parse_endpoint",
    "parse_workers",
    "read_yaml",
    "validate",
]
