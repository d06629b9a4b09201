"""Which Debian mirrors this machine uses, read from its own apt sources."""

import re
from collections.abc import Iterator
from pathlib import Path

APT_DIRECTORY = Path("/etc/apt")
OS_RELEASE = Path("/etc/os-release")
SUITE_ALIASES = frozenset({"oldstable", "stable", "testing", "unstable", "sid"})


def debian_mirrors(apt: Path = APT_DIRECTORY, os_release: Path = OS_RELEASE) -> tuple[str, ...]:
    """Return the URIs of the machine's Debian mirrors, the plain archive first.

    A mirror is a `deb` source with component `main` and the suite of this Debian release (or an alias such as
    `stable`); security and update suites, and most third-party archives, name their suites otherwise. Whoever uses
    the result must still check the archive's signature: some third parties name their suites like Debian does.
    """
    suites = SUITE_ALIASES | {_codename(os_release)}
    uris = [
        uri
        for uri, suite, components in _sources(apt)
        if suite in suites and "main" in components and not uri.startswith(("cdrom:", "file:"))
    ]
    return tuple(sorted(dict.fromkeys(uris), key=lambda uri: not uri.rstrip("/").endswith("/debian")))


def _codename(os_release: Path) -> str:
    text = os_release.read_text() if os_release.exists() else ""
    found = re.search(r'^VERSION_CODENAME="?(\w+)', text, re.MULTILINE)
    return found[1] if found else "sid"


def _sources(apt: Path) -> Iterator[tuple[str, str, list[str]]]:
    parts = apt / "sources.list.d"
    for path in [apt / "sources.list", *sorted(parts.glob("*.list"))]:
        if path.is_file():
            yield from _one_line_sources(path.read_text())
    for path in sorted(parts.glob("*.sources")):
        yield from _deb822_sources(path.read_text())


def _one_line_sources(text: str) -> Iterator[tuple[str, str, list[str]]]:
    """Read `deb [options] uri suite component...` lines (man 5 sources.list, "one-line-style")."""
    for line in text.splitlines():
        words = re.sub(r"\[[^]]*\]", " ", line.split("#")[0]).split()
        if len(words) >= 3 and words[0] == "deb":
            yield words[1], words[2], words[3:]


def _deb822_sources(text: str) -> Iterator[tuple[str, str, list[str]]]:
    """Read stanzas of `Key: value` lines with continuations (man 5 sources.list, "deb822-style")."""
    plain = "".join(line + "\n" for line in text.splitlines() if not line.startswith("#"))
    for stanza in re.split(r"\n\s*\n", plain):
        fields = {
            key.lower(): value.split()
            for key, value in re.findall(r"^([\w-]+):((?:.*\n?)(?:[ \t].*\n?)*)", stanza, re.M)
        }
        if "deb" in fields.get("types", []) and fields.get("enabled", ["yes"]) != ["no"]:
            for uri in fields.get("uris", []):
                for suite in fields.get("suites", []):
                    yield uri, suite, fields.get("components", [])
