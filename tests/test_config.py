"""config/proxy.yaml and the reading of YAML."""

from pathlib import Path

import pytest

from proxy.config import (
    Address,
    BackendTlsMode,
    ClientTlsMode,
    ConfigError,
    Log,
    LogLevel,
    Lookup,
    Problem,
    ProxyConfig,
    ProxyProtocolVersion,
    UnixAddress,
    load_config,
    load_yaml,
    parse_endpoint,
)

SAMPLE = Path(__file__).parent.parent / "config" / "proxy.yaml"


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "proxy.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def problems(folder: Path, text: str | bytes) -> list[str]:
    path = written(folder, text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    return [str(problem).removeprefix(f"{path}:") for problem in caught.value.problems]


def test_the_sample_states_the_defaults() -> None:
    sample = load_config(SAMPLE)
    assert sample.rules == SAMPLE.parent / "rules.yaml"
    assert load_yaml(SAMPLE, ProxyConfig) == ProxyConfig(rules=Path("rules.yaml"))


def test_an_empty_file_is_the_defaults(tmp_path: Path) -> None:
    assert load_config(written(tmp_path, "")) == ProxyConfig()
    assert load_config(written(tmp_path, "# nothing\n")) == ProxyConfig()


def test_everything_can_be_said(tmp_path: Path) -> None:
    text = """
listen: "[::]:3306"
backend: db.example:3307
socket_mode: "660"
proxy_protocol: {from: [10.0.0.0/8, "fd00::/8", 192.0.2.1]}
backend_proxy_protocol: v2
admin: 0.0.0.0:0
rules: other/rules.yaml
client_tls: {mode: REQUIRED, cert: c.pem, key: k.pem, rsa_key: r.pem}
backend_tls: {mode: VERIFY_IDENTITY, ca: /etc/ca.pem, cert: b.pem, key: k.pem, server_name: d, server_public_key: p.pem}
limits: {login_timeout: 500ms, connect_timeout: 1.5s, login_packet: 64KiB, statement: 1GiB, write_buffer: 4096}
log: {level: debug, format: json, conflicts_per_second: 0}
conflicts: {show_values: true, max_series: 5}
lookup: {user: reader, password_file: secret, password_env: OTHER, ttl: 1h, timeout: 1s}
"""
    config = load_config(written(tmp_path, text))
    assert config.listen == Address("::", 3306)
    assert str(config.listen) == "[::]:3306"
    assert str(config.backend) == "db.example:3307"
    assert config.listeners == (config.listen,)
    assert config.backends == (config.backend,)
    assert config.socket_mode == 0o660
    assert [str(network) for network in config.proxy_protocol.from_] == ["10.0.0.0/8", "fd00::/8", "192.0.2.1/32"]
    assert config.backend_proxy_protocol is ProxyProtocolVersion.V2
    assert config.client_tls.rsa_key == tmp_path / "r.pem"
    assert config.admin.port == 0
    assert config.rules == tmp_path / "other/rules.yaml"
    assert config.client_tls.mode is ClientTlsMode.REQUIRED
    assert config.client_tls.cert == tmp_path / "c.pem"
    assert config.backend_tls.mode is BackendTlsMode.VERIFY_IDENTITY
    assert config.backend_tls.ca == Path("/etc/ca.pem")
    assert config.backend_tls.server_public_key == tmp_path / "p.pem"
    assert config.limits.login_timeout == 0.5
    assert config.limits.connect_timeout == 1.5
    assert (config.limits.login_packet, config.limits.statement, config.limits.write_buffer) == (65536, 1 << 30, 4096)
    assert config.log.level is LogLevel.DEBUG
    assert config.conflicts.show_values is True
    assert config.lookup == Lookup("reader", tmp_path / "secret", "OTHER", 3600.0, 1.0)


def test_a_lookup_is_asked_for_by_its_key(tmp_path: Path) -> None:
    assert load_config(written(tmp_path, "lookup: {}\n")).lookup == Lookup()
    assert load_config(written(tmp_path, "lookup: null\n")).lookup is None


@pytest.mark.parametrize("text", ["10s", "500ms", "5m", "1h"])
def test_durations(tmp_path: Path, text: str) -> None:
    seconds = {"10s": 10.0, "500ms": 0.5, "5m": 300.0, "1h": 3600.0}
    assert load_config(written(tmp_path, f"limits: {{login_timeout: {text}}}")).limits.login_timeout == seconds[text]


@pytest.mark.parametrize("text", ["x", "x:", ":1", "x:65536", "a b:1", "[::1:3", "::1:3306", "unix:/x"])
def test_addresses_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="expected host:port"):
        Address.parse(text)


def test_endpoints() -> None:
    assert parse_endpoint("[::1]:1") == Address("::1", 1)
    assert parse_endpoint("unix:/run/k.sock") == UnixAddress(Path("/run/k.sock"))
    assert str(UnixAddress(Path("/run/k.sock"))) == "unix:/run/k.sock"
    assert parse_endpoint("unix:" + "x" * 107) == UnixAddress(Path("x" * 107))


@pytest.mark.parametrize("text", ["x", "unix:", "unix:" + "x" * 108, "unix:a\0b", "Unix:/x"])
def test_endpoints_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="is no address"):
        parse_endpoint(text)


def test_lists_of_addresses_are_beside_the_file(tmp_path: Path) -> None:
    text = "listen: [a:1, unix:k.sock]\nbackend: [unix:/run/m.sock, 'unix:m.sock', b:2]\n"
    config = load_config(written(tmp_path, text))
    assert config.listeners == config.listen == (Address("a", 1), UnixAddress(tmp_path / "k.sock"))
    assert config.backends == (UnixAddress(Path("/run/m.sock")), UnixAddress(tmp_path / "m.sock"), Address("b", 2))
    assert load_config(written(tmp_path, "listen: unix:k\n")).listen == UnixAddress(tmp_path / "k")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "listen: [a:1, b, c]",
            "1: listen: 'b' is no address (expected host:port, [ipv6]:port or unix:/path, such as 127.0.0.1:3306); "
            "'c' is no address (expected host:port, [ipv6]:port or unix:/path, such as 127.0.0.1:3306)",
        ),
        ("listen: []", "1: listen: an empty list does not fit (expected addresses)"),
        ("backend: [a:1, a:1]", "1: backend: a list has an address twice (expected addresses)"),
        (
            "listen: [a:1, unix:k]\nbackend: [c:1, a:1]",
            "2: backend: a:1 is where the proxy itself listens (expected the MySQL server)",
        ),
        ("socket_mode: 0660", '1: socket_mode: 660 is no file mode (expected octal digits in quotes, such as "0660")'),
        ("socket_mode: '888'", "1: socket_mode: '888' is no file mode"),
        ("proxy_protocol: {from: 10.0.0.0/8}", "1: proxy_protocol.from: '10.0.0.0/8' does not fit (expected a list)"),
        ("proxy_protocol: {from: [10.0.0.1/8]}", "1: proxy_protocol.from: 10.0.0.1/8 has host bits set"),
        (
            "proxy_protocol: {form: []}",
            "1: proxy_protocol.form: unknown key (expected one of from; did you mean from?)",
        ),
        ("backend_proxy_protocol: v3", "1: backend_proxy_protocol: 'v3' is not known (expected one of off, v1, v2"),
    ],
)
def test_addresses_that_are_wrong(tmp_path: Path, text: str, told: str) -> None:
    [found] = problems(tmp_path, text)
    assert found.startswith(told)


def test_every_mistake_is_told_at_once_in_the_order_of_the_lines(tmp_path: Path) -> None:
    text = "listen: 3306\nlimits:\n  statement: big\n  login_timeout: soon\nclient_tls: yes\nlisten: a:1\n"
    assert [told.split(":")[0] for told in problems(tmp_path, text)] == ["1", "3", "4", "5", "6"]


def test_a_key_that_is_no_text_is_an_unknown_key(tmp_path: Path) -> None:
    told = problems(tmp_path, "conflicts: {1: 2, null: 3}\n")
    assert [line.split(" (")[0] for line in told] == ["1: conflicts.1: unknown key", "1: conflicts.null: unknown key"]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "none.yaml"
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert caught.value.problems == (
        Problem(str(path), 0, "", "cannot be read: No such file or directory (expected a YAML file)"),
    )
    assert str(caught.value) == f"{path}: cannot be read: No such file or directory (expected a YAML file)"


def test_a_byte_that_is_no_utf8(tmp_path: Path) -> None:
    assert problems(tmp_path, b"listen: a:1\nrules: \xff\n") == ["2: a byte that is no UTF-8 (expected UTF-8 text)"]


def test_a_control_character(tmp_path: Path) -> None:
    [told] = problems(tmp_path, "listen: a:1\nrules: \x07\n")
    assert told.startswith("2: special characters are not allowed")


def test_a_tab(tmp_path: Path) -> None:
    [told] = problems(tmp_path, "limits:\n\tstatement: 1\n")
    assert told.startswith("2: ")
    assert told.endswith("(expected YAML)")


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    assert load_config(written(tmp_path, b"\xef\xbb\xbflisten: a:1\n")).listen == Address("a", 1)


def test_a_list_is_no_configuration(tmp_path: Path) -> None:
    assert problems(tmp_path, "- a\n- b\n") == ["1: a list does not fit (expected a mapping of keys to values)"]


def test_two_documents_are_one_too_many(tmp_path: Path) -> None:
    [told] = problems(tmp_path, "listen: a:1\n---\nlisten: a:2\n")
    assert "expected a single document" in told


def test_a_file_that_contains_itself(tmp_path: Path) -> None:
    told = problems(tmp_path, "log: &log\n  level: *log\n")
    assert [line.split(":")[0] for line in told] == ["2"]


def test_an_alias_bomb_is_read_in_no_time(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    assert len(problems(tmp_path, "\n".join(lines))) == 12


def test_merged_keys_keep_the_line_of_their_parent(tmp_path: Path) -> None:
    told = problems(tmp_path, "limits: &l\n  statement: big\nlog:\n  <<: *l\n")
    assert [line.split(" ")[:2] for line in told] == [["2:", "limits.statement:"], ["3:", "log.statement:"]]


def test_a_number_needs_its_unit(tmp_path: Path) -> None:
    assert problems(tmp_path, "limits: {login_timeout: 1.5}\n")[0].startswith("1: limits.login_timeout: 1.5 is no dur")


def test_a_key_that_is_a_list(tmp_path: Path) -> None:
    [told] = problems(tmp_path, "listen: a:1\n? [a, b]\n: 1\n")
    assert told.endswith("Keys should be strings (found a list)")


def test_any_dataclass_can_be_read(tmp_path: Path) -> None:
    path = written(tmp_path, "level: loud\n")
    with pytest.raises(ConfigError) as caught:
        load_yaml(path, Log)
    assert str(caught.value) == (f"{path}:1: level: 'loud' is not known (expected one of debug, info, warning, error)")
    assert load_yaml(written(tmp_path, "level: error\n"), Log) == Log(level=LogLevel.ERROR)
