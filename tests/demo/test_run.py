"""The demo as a whole."""

from __future__ import annotations

import io
import os
import re
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.request import urlopen

import pytest
from rich.console import Console

from proxy.demo import run
from proxy.demo.backend import Backend, start_backend
from proxy.demo.run import DemoError, Options, run_demo


@pytest.fixture(autouse=True)
def embedded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedded backend, whatever servers this machine has."""
    monkeypatch.setattr(run, "start_backend", lambda: start_backend(lambda: None))


def console(**arguments: Any) -> Console:
    return Console(file=io.StringIO(), width=120, **arguments)


def output(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_it_ends_when_its_time_is_over_and_shows_the_outcomes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_PLAIN_SECONDS", 0.2)
    shown = console()
    run_demo(Options(seconds=1, pace=0.01), shown)
    text = output(shown)
    assert re.search(r"proxy    127\.0\.0\.1:(\d+)\n", text)
    assert re.search(r"try it   mysql -h127\.0\.0\.1 -P\d+ -udemo shop\n", text)
    assert text.count("unique key") > 1
    final = text[text.rindex("unique key") :]
    assert re.search(r"shop\.coupons\.ux_code +\(none\) +[1-9]", final)
    assert re.search(r"shop\.users\.ux_email +signup-email +- +[1-9]", final)
    assert re.search(r"shop\.page_views\.PRIMARY +page-counter +- +- +[1-9]", final)
    assert re.search(r"statements: [1-9]\d* +conflicts: [1-9]\d* +resolved: [1-9]", final)


def test_it_is_live_on_a_terminal() -> None:
    shown = console(force_terminal=True)
    run_demo(Options(seconds=0.5, pace=0.01), shown)
    assert "\x1b[?25l" in output(shown)  # Live hides the cursor


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_with_a_signal(monkeypatch: pytest.MonkeyPatch, number: signal.Signals) -> None:
    shown = console()
    found: list[int] = []

    def look() -> None:
        address = re.search(r"metrics  (http://\S+)", output(shown))
        assert address is not None
        with urlopen(address[1]) as response:
            found.append(response.status)
        os.kill(os.getpid(), number)

    introduce = run._introduce

    def introduce_and_look(*arguments: Any) -> None:
        introduce(*arguments)
        threading.Thread(target=look).start()

    monkeypatch.setattr(run, "_introduce", introduce_and_look)
    run_demo(Options(pace=0.01), shown)
    assert found == [200]
    assert "unique key" in output(shown)


def test_it_can_be_interrupted_while_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def interrupted() -> Iterator[Backend]:
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("nothing happened")
        yield

    monkeypatch.setattr(run, "start_backend", interrupted)
    run_demo(Options(), console())


@pytest.mark.parametrize("which", ["port", "admin_port"])
def test_a_port_that_is_taken(which: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(DemoError, match=f"the proxy does not start: cannot listen on 127.0.0.1:{port}"):
            run_demo(Options(seconds=1, **{which: port}), console())


def test_an_application_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.demo.traffic._PAGES", ("x" * 200,))
    with pytest.raises(DemoError, match=r"counters: .*Data too long for column 'page'"):
        run_demo(Options(pace=0.01), console())


def test_a_backend_that_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.demo.shop._TABLES", ("CREATE TABLE t LIKE u",))
    with pytest.raises(DemoError, match=r"the backend refuses the demo's tables: .*1235"):
        run_demo(Options(seconds=1), console())


def test_no_port_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def fail() -> Iterator[Backend]:
        raise OSError(98, "Address already in use")
        yield

    monkeypatch.setattr(run, "start_backend", fail)
    with pytest.raises(DemoError, match=r"[Aa]ddress already in use"):
        run_demo(Options(seconds=1), console())


def test_the_handler_of_sigterm_is_put_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    run_demo(Options(seconds=0.1), console())
    assert signal.getsignal(signal.SIGTERM) is before
