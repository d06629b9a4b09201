"""A real Chromium without a window, driven by the Chrome DevTools Protocol (https://chromedevtools.github.io).

It is fetched as the servers are. Chromium looks for its files beside its program, which is the dynamic linker where it
is started through that, and starts itself again for every page. So there is a folder with links to all its files, the
linker's copy among them, and a script that starts it.
"""

import asyncio
import base64
import itertools
import json
import os
import re
import shutil
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from aiohttp import ClientSession, ClientWebSocketResponse

from tests.servers.packages import Bundle, fetch
from tests.servers.recipes import run_environment

CHROMIUM: Final = Bundle("chromium", "bookworm", ("chromium-headless-shell",))
PATIENCE: Final = 30.0
"""Seconds until something that is waited for must have happened."""

_FLAGS: Final = (
    "--no-sandbox",  # which takes privileges that containers do not give
    "--no-zygote",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)
_KEYS: Final = {"Tab": 9, "Enter": 13, "Escape": 27}


class Page:
    """One tab.

    Attributes:
        errors: what was written to the console as an error, what scripts threw, what a policy refused.
        requests: the addresses of all that was fetched.
    """

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self.errors: list[str] = []
        self.requests: list[str] = []
        self._socket = socket
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._session = ""

    async def open(self) -> None:
        """Open the tab, and listen to all that happens in it."""
        target = await self.send("Target.createTarget", url="about:blank")
        attached = await self.send("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            await self.send(f"{domain}.enable")
        await self.send("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])

    async def listen(self) -> None:
        """Take what the browser says until it goes."""
        async for message in self._socket:
            said = json.loads(message.data)
            waiting = self._waiting.pop(said.get("id", 0), None)
            if waiting is not None:
                waiting.set_result(said)
            elif "method" in said:
                self._hear(said["method"], said["params"])

    def _hear(self, event: str, about: dict[str, Any]) -> None:
        if event == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(about["exceptionDetails"]))
        elif event == "Runtime.consoleAPICalled" and about["type"] in ("error", "warning", "assert"):
            self.errors.append(json.dumps(about["args"]))
        elif event == "Log.entryAdded" and about["entry"]["level"] in ("error", "warning"):
            self.errors.append(about["entry"]["text"])
        elif event == "Network.requestWillBeSent":
            self.requests.append(about["request"]["url"])

    async def send(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result."""
        number = next(self._numbers)
        self._waiting[number] = asyncio.get_running_loop().create_future()
        call = {"id": number, "method": method, "params": params} | (
            {"sessionId": self._session} if self._session else {}
        )
        await self._socket.send_json(call)
        said = await asyncio.wait_for(self._waiting[number], 2 * PATIENCE)
        assert "error" not in said, said
        result: dict[str, Any] = said["result"]
        return result

    async def evaluate(self, script: str) -> Any:
        """Return the value of a script."""
        found = await self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    async def wait_for(self, script: str) -> None:
        """Wait until a script has a value that holds."""
        look = f"const look = () => {{ if ({script}) {{ done(true); }} else {{ setTimeout(look, 50); }} }}; look();"
        never = f"setTimeout(() => done(false), {int(1000 * PATIENCE)});"
        if not await self.evaluate(f"new Promise((done) => {{ {look} {never} }})"):
            raise AssertionError(f"never so: {script}\n{await self.text('body')}")

    async def go_to(self, address: str) -> None:
        """Open an address."""
        await self.send("Page.navigate", url=address)

    async def text(self, selector: str = "main") -> str:
        """Return what is to be read in an element."""
        return str(await self.evaluate(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"))

    async def press(self, key: str) -> None:
        """Press a key."""
        for kind in ("keyDown", "keyUp"):
            text = {"text": "\r"} if key == "Enter" and kind == "keyDown" else {}
            await self.send(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=_KEYS[key], **text
            )

    async def look(self, width: int, height: int, *, dark: bool = False) -> None:
        """Look at the page through a window of so many pixels, by day or by night."""
        mobile = width < 600
        await self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if mobile else 1,
            mobile=mobile,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.send("Emulation.setEmulatedMedia", features=[scheme])

    async def photograph(self) -> bytes:
        """Take a picture of the whole page, as PNG."""
        picture = await self.send("Page.captureScreenshot", captureBeyondViewport=True)
        return base64.b64decode(picture["data"])


@asynccontextmanager
async def browsing(folder: Path) -> AsyncIterator[Page]:
    """Open a tab of a new browser for the length of the block; folder: an empty one for what it writes."""
    process = await asyncio.create_subprocess_exec(
        *_command(folder), stderr=asyncio.subprocess.PIPE, env=_environment(folder)
    )
    try:
        address = await asyncio.wait_for(_address(process), PATIENCE)
        async with ClientSession() as session, session.ws_connect(address, max_msg_size=0) as socket:
            page = Page(socket)
            listening = asyncio.create_task(page.listen())
            await page.open()
            yield page
            await page.send("Page.close")
            listening.cancel()
    finally:
        process.kill()
        await process.communicate()


async def _address(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    said = b""
    while line := await process.stderr.readline():
        said += line
        if found := re.search(rb"DevTools listening on (\S+)", line):
            return found[1].decode()
    raise AssertionError(said.decode())


def _command(folder: Path) -> list[str]:
    prefix = fetch(CHROMIUM)
    program = folder / "chromium"
    shutil.copytree(prefix.path / "usr/lib/chromium", program, copy_function=os.symlink)
    linker, option, libraries, _ = prefix.run("")
    shutil.copy(linker, program / "ld.so")
    libraries = ":".join([libraries, *map(str, prefix.path.glob("usr/lib/*/pulseaudio"))])
    start = program / "start"
    start.write_text(f'#!/bin/sh\nexec {program}/ld.so {option} {libraries} {program}/chromium-headless-shell "$@"\n')
    start.chmod(start.stat().st_mode | stat.S_IXUSR)
    profile = folder / "profile"
    return [str(start), *_FLAGS, f"--browser-subprocess-path={start}", f"--user-data-dir={profile}", "about:blank"]


def _environment(folder: Path) -> dict[str, str]:
    """Have its own fonts only, so that pictures are alike on all machines."""
    fonts = folder / "fonts.conf"
    fonts.write_text(
        '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>'
        f"<dir>{fetch(CHROMIUM).path}/usr/share/fonts</dir><cachedir>{folder}/fonts</cachedir>"
        "<alias><family>monospace</family><prefer><family>DejaVu Sans Mono</family></prefer></alias>"
        "<alias><family>system-ui</family><prefer><family>DejaVu Sans</family></prefer></alias></fontconfig>"
    )
    return {**run_environment(), "HOME": str(folder), "FONTCONFIG_FILE": str(fonts)}
