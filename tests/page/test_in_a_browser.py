"""The page in a real browser, in front of `keyclash demo`."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import ClientSession

from tests.page.browser import PATIENCE, Page, browsing

PICTURES = Path(__file__).parents[2] / "build" / "page"
SIZES = {
    "light": (1280, 900, False),
    "dark": (1280, 900, True),
    "phone": (390, 844, False),
    "phone-dark": (390, 844, True),
}
TABLES = ("page_views", "users", "payments")
ROWS = "[...document.querySelectorAll('tbody tr')].map((row) => row.innerText)"
COUNTS = "[...document.querySelectorAll('td.number')].map((cell) => Number(cell.innerText))"


@dataclass(frozen=True)
class Demo:
    """A demo that runs; address: of its page; rules: the file that it follows."""

    address: str
    rules: Path

    async def reload(self) -> str:
        """Have the rules read again."""
        async with ClientSession() as session, session.post(f"{self.address}-/reload") as reply:
            assert reply.status == 200, await reply.text()
            return await reply.text()


@asynccontextmanager
async def demonstrating(folder: Path) -> AsyncIterator[Demo]:
    """Run `keyclash demo` without rules for the length of the block."""
    rules = folder / "rules.yaml"
    rules.write_text("rules: []\n")
    command = (sys.executable, "-m", "proxy", "demo", "--rules", str(rules))
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe, limit=1 << 20)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE):
            while not (found := re.match(rb"page +(\S+)", line := await process.stdout.readline())):
                assert line, "the demo has ended"
        yield Demo(found[1].decode(), rules)
    finally:
        process.terminate()
        _, said = await process.communicate()
    assert said == b""


@pytest.mark.timeout(180)
async def test_from_a_conflict_to_its_rule(tmp_path: Path) -> None:
    async with demonstrating(tmp_path) as demo, browsing(tmp_path / "browser") as page:
        await page.look(*SIZES["light"][:2])
        await page.go_to(demo.address)
        await page.wait_for("document.querySelectorAll('tbody tr').length >= 4")
        await page.evaluate("window.opened = true")  # and never again
        ranked = await page.evaluate(ROWS)
        assert all(any(f"shop.{table}" in row for row in ranked) for table in TABLES)
        assert all("returned" in row for row in ranked)
        counts = await page.evaluate(COUNTS)
        assert counts == sorted(counts, reverse=True)
        await adopt(page, demo, "payments", "retry", "idempotent")
        await adopt(page, demo, "users", "race", "ignore")
        await adopt(page, demo, "page_views", "existing", "update")
        await open_key(page, demo, "coupons")
        await photograph(page, demo)
        assert await page.evaluate("window.opened")
        assert page.errors == []
        assert [url for url in page.requests if not url.startswith(demo.address)] == []


@pytest.mark.timeout(180)
async def test_by_keyboard_only(tmp_path: Path) -> None:
    async with demonstrating(tmp_path) as demo, browsing(tmp_path / "browser") as page:
        await page.look(*SIZES["phone"][:2])
        await page.go_to(demo.address)
        await page.wait_for("document.querySelectorAll('tbody tr').length >= 4")
        reached = []
        for _ in range(10):
            await page.press("Tab")
            reached.append(await page.evaluate("document.activeElement.id || document.activeElement.innerText"))
        assert reached[:8] == ["skip", "Keyclash", "Keys", "Rules", "Sessions", "Configuration", "pause", "filter"]
        assert reached[8].startswith("shop.")
        await page.evaluate("document.getElementById('filter').focus()")
        await page.send("Input.insertText", text="coupons")
        await page.wait_for("document.querySelectorAll('tbody tr').length === 1")
        await page.press("Tab")
        await page.press("Enter")
        await page.wait_for("document.querySelector('h1').innerText.startsWith('shop.coupons')")
        assert await page.evaluate("document.activeElement.id") == "main"
        assert page.errors == []


async def open_key(page: Page, demo: Demo, table: str) -> None:
    """Open the key of a table from the list, by the keyboard."""
    await page.go_to(f"{demo.address}#/")
    link = f"[...document.querySelectorAll('tbody a')].find((link) => link.innerText === 'shop.{table}')"
    await page.wait_for(f"Boolean({link})")
    await page.evaluate(f"{link}.focus()")
    await page.press("Enter")
    await page.wait_for(f"document.querySelector('h1').innerText.startsWith('shop.{table}')")


async def adopt(page: Page, demo: Demo, table: str, cause: str, action: str) -> None:
    """Follow what the page suggests about a table's key, and see what becomes of it."""
    outcome = {"update": "updated"}.get(action, "kept")
    await open_key(page, demo, table)
    await page.wait_for(f"document.getElementById('suggestion').innerText.includes('{action} with')")
    await page.wait_for(f"document.getElementById('causes').innerText.includes('{cause}')")
    assert f"FROM `shop`.`{table}`" in await page.text()
    assert outcome not in await page.text("#outcomes")
    await page.evaluate("document.querySelector('#suggestion button').focus()")
    await page.press("Enter")
    await page.wait_for("document.getElementById('said').innerText.includes('Copied')")
    rule = await page.evaluate("navigator.clipboard.readText()")
    assert rule == await page.text("#suggestion pre")
    text = demo.rules.read_text().replace("rules: []\n", "rules:\n")
    demo.rules.write_text(text + rule)
    await demo.reload()
    await page.wait_for(f"document.getElementById('outcomes').innerText.includes('{outcome}')")


def keep(name: str, picture: bytes) -> None:
    """Put a picture where people look for it."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    (PICTURES / name).write_bytes(picture)


async def photograph(page: Page, demo: Demo) -> None:
    """Take a picture of everything at every size."""
    key = await page.evaluate("location.hash")
    places = {"keys": "#/", "key": key, "rules": "#/rules", "sessions": "#/sessions", "config": "#/config"}
    for name, (width, height, dark) in SIZES.items():
        await page.look(width, height, dark=dark)
        for place, path in places.items():
            await page.evaluate("document.title = 'before'")
            await page.go_to(demo.address + path)
            await page.wait_for(f"location.hash === '{path}' && document.title !== 'before'")
            keep(f"{place}-{name}.png", await page.photograph())
            wider = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wider == 0, (place, name)
