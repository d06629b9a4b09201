"""Reading the files again while the proxy runs."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from proxy.config import Address, ConfigError, Conflicts, Limits, Lookup, ProxyConfig, load_config
from proxy.conflicts.counters import Counters
from proxy.rules.match import RuleSet
from proxy.run.policy import Loaded, StartError
from proxy.run.reload import Origin, Reloader, in_force
from proxy.run.supervisor import Running, serve
from proxy.run.watch import look, watch
from tests.run.asking import ask
from tests.run.doubles import LOCALHOST, backend

RULE = "rules:\n  - {{name: {name}, table: t, action: observe}}\n"
WRONG = "rules:\n  - {name: one, table: t,\n     action: nonsense}\n"


def rules(folder: Path, name: str) -> Path:
    path = folder / "rules.yaml"
    path.write_text(RULE.format(name=name))
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    rules(tmp_path, "first")
    path = tmp_path / "proxy.yaml"
    path.write_text(f"listen: {LOCALHOST}:0\nadmin: {LOCALHOST}:0\nclient_tls: {{mode: DISABLED}}\nrules: rules.yaml\n")
    return path


@pytest_asyncio.fixture
async def running(file: Path) -> AsyncIterator[Running]:
    async with serve(load_config(file), file=file) as proxy:
        yield proxy


def rewrite(file: Path, old: str, new: str) -> None:
    file.write_text(file.read_text().replace(old, new))


def twin(file: Path) -> Path:
    """Make a file of the same content and time."""
    other = file.with_suffix(".new")
    other.write_bytes(file.read_bytes())
    os.utime(other, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns))
    return other


def names(running: Running) -> list[str]:
    return [rule.name for rule in running.rules.rules]


async def test_other_rules_are_in_force(running: Running, file: Path) -> None:
    rules(file.parent, "second")
    with capture_logs() as logs:
        done = await running.reload("SIGHUP")
    assert (done.problems, done.restart, names(running)) == ((), (), ["second"])
    assert str(done) == f"1 rule, version {running.rules.version}"
    [line] = [log for log in logs if log["event"] == "reloaded"]
    assert (line["why"], line["rules"], line["version"]) == ("SIGHUP", 1, running.rules.version)


async def test_a_wrong_file_changes_nothing_and_is_told(running: Running, file: Path) -> None:
    (file.parent / "rules.yaml").write_text(WRONG)
    with capture_logs() as logs:
        answer = await ask(running, "POST /-/reload")
    head, _, body = answer.partition("\r\n\r\n")
    assert " 500 " in head.splitlines()[0]
    assert body.startswith(f"{file.parent / 'rules.yaml'}:3: rules[0].action: 'nonsense' is not known")
    assert names(running) == ["first"]
    [line] = [log for log in logs if log["event"] == "reload failed"]
    assert line["problem"] == body.rstrip()
    assert "keyclash_config_last_reload_successful 0.0" in await ask(running, "GET /metrics")
    told = await ask(running, "GET /api/rules")
    assert '"reloaded":false' in told
    assert "rules.yaml:3: rules[0].action" in told


async def test_a_file_that_is_right_again_is_told(running: Running, file: Path) -> None:
    (file.parent / "rules.yaml").write_text(WRONG)
    await running.reload("a test")
    rules(file.parent, "third")
    answer = await ask(running, "POST /-/reload")
    assert " 200 " in answer.splitlines()[0]
    assert names(running) == ["third"]
    assert "keyclash_config_last_reload_successful 1.0" in await ask(running, "GET /metrics")
    assert '"problems":[]' in await ask(running, "GET /api/rules")


async def test_reading_again_is_no_matter_of_looking(running: Running) -> None:
    assert " 405 " in (await ask(running, "GET /-/reload")).splitlines()[0]


async def test_the_token_is_asked_for(file: Path, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("0123456789abcdef")
    async with serve(replace(load_config(file), admin_token_file=token), file=file) as running:
        assert " 401 " in (await ask(running, "POST /-/reload")).splitlines()[0]
        answer = await ask(running, "POST /-/reload HTTP/1.0\r\nAuthorization: Bearer 0123456789abcdef\r\nX: ")
        assert " 200 " in answer.splitlines()[0]


async def test_what_waits_for_a_restart_is_told(running: Running, file: Path) -> None:
    with file.open("a") as more:
        more.write("log: {conflicts_per_second: 3}\nlimits: {login_timeout: 3s}\nconflicts: {journal: 5}\n")
    with capture_logs() as logs:
        answer = await ask(running, "POST /-/reload")
    waiting = "log.conflicts_per_second, conflicts.journal"
    assert [log["settings"] for log in logs if log["event"] == "settings wait for a restart"] == [waiting]
    assert "conflicts.journal: changed; waits for a restart\n" in answer
    told = await ask(running, "GET /api/config")
    assert '{"key":"conflicts.journal","value":"1000","source":"changed; waits for a restart"}' in told
    assert '{"key":"limits.login_timeout","value":"3.0","source":"proxy.yaml:6"}' in told


async def test_new_clients_meet_the_new_settings(file: Path) -> None:
    async with backend() as double, serve(replace(load_config(file), backend=double.address), file=file) as running:
        with file.open("a") as more:
            more.write("limits: {login_timeout: 50ms}\n")
        await running.reload("a test")
        reader, writer = await asyncio.open_connection(LOCALHOST, running.address.port)
        assert b"Got timeout" in await asyncio.wait_for(reader.read(), 8)
        writer.close()
        assert running.counters.sessions_total == {"login_timeout": 1}


async def test_a_certificate_that_cannot_be_read_changes_nothing(running: Running, file: Path) -> None:
    rules(file.parent, "second")
    rewrite(file, "DISABLED", "PREFERRED, cert: none.pem, key: none.pem")
    done = await running.reload("a test")
    assert "none.pem" in str(done)
    assert names(running) == ["first"]
    rewrite(file, ", cert: none.pem, key: none.pem", "")
    assert not (await running.reload("a test")).problems
    assert names(running) == ["second"]


def test_sections_are_kept_where_they_cannot_change() -> None:
    running = ProxyConfig()
    wanted = replace(
        running,
        listen=Address("::1", 1),
        conflicts=Conflicts(show_values=True, journal=2),
        lookup=Lookup(),
        limits=Limits(statement=1),
    )
    config, restart = in_force(running, wanted)
    assert config == replace(running, limits=Limits(statement=1))
    assert restart == ("listen", "conflicts.show_values", "conflicts.journal", "lookup")
    assert in_force(running, running) == (running, ())


async def test_attempts_come_one_after_the_other(file: Path) -> None:
    at_once = 0

    async def use(loaded: Loaded, restart: tuple[str, ...]) -> None:
        nonlocal at_once
        at_once += 1
        assert at_once == 1
        await asyncio.sleep(0)
        at_once -= 1

    origin = Origin(file)
    reloader = Reloader(origin, origin.read(), use, Counters(), lambda: 1.0)
    assert [done.problems for done in await asyncio.gather(*(reloader.reload("a test") for _ in range(3)))] == [()] * 3


async def test_what_cannot_be_used_is_a_problem_of_the_file(file: Path) -> None:
    async def use(loaded: Loaded, restart: tuple[str, ...]) -> None:
        raise StartError("no")

    origin = Origin(file)
    reloader = Reloader(origin, origin.read(), use, Counters(), lambda: 1.0)
    assert str(await reloader.reload("a test")) == f"{file}: no"


# --------------------------------------------------------------------------------------------------------------------
# Files that change


async def changes(file: Path, change: Callable[[], object]) -> None:
    """Watch a file, change it, and wait until that is noticed, once."""
    noticed = asyncio.Event()
    seen = look([file])

    async def changed() -> None:
        nonlocal seen
        assert not noticed.is_set()
        noticed.set()
        seen = look([file])

    watching = asyncio.create_task(watch(lambda: seen, changed, every=0.01))
    change()
    await asyncio.wait_for(noticed.wait(), 30)
    watching.cancel()


async def test_a_file_that_is_written_in_place(file: Path) -> None:
    await changes(file, lambda: file.write_text("other"))


async def test_a_file_that_is_renamed_into_place(file: Path) -> None:
    other = twin(file)
    await changes(file, lambda: other.replace(file))


async def test_a_file_that_goes(file: Path) -> None:
    await changes(file, file.unlink)


async def test_a_config_map(tmp_path: Path) -> None:
    """Kubernetes keeps the files in a folder of their own, and exchanges the link to it by renaming another one."""
    for version in ("1", "2"):
        (tmp_path / version).mkdir()
        rules(tmp_path / version, "same")
    (tmp_path / "..data").symlink_to("1")
    file = tmp_path / "rules.yaml"
    file.symlink_to(Path("..data", "rules.yaml"))

    def swap() -> None:
        (tmp_path / "..data_tmp").symlink_to("2")
        (tmp_path / "..data_tmp").rename(tmp_path / "..data")

    await changes(file, swap)


async def test_a_change_reloads(running: Running, file: Path) -> None:
    rules(file.parent, "second")
    while "second" not in await ask(running, "GET /api/rules"):
        pass
    assert running.counters.last_reload_successful


def test_wrong_files_are_told_at_the_start_too(file: Path) -> None:
    file.write_text("lisen: 1\n")
    with pytest.raises(ConfigError, match="did you mean listen"):
        Origin(file).read()


def test_without_a_file_there_is_nothing_to_watch() -> None:
    assert Origin().read() == Loaded(ProxyConfig(), RuleSet())
