"""`python -m tests.servers fetch [NAME...]`: put the servers into the cache and print where they are."""

import argparse
import os

from tests.servers.packages import fetch
from tests.servers.recipes import RECIPES, ROUTER


def main() -> None:
    """Fetch the bundles that the command line names, by default the servers that the environment does not name."""
    bundles = {bundle.name: bundle for bundle in (*(recipe.bundle for recipe in RECIPES.values()), ROUTER)}
    parser = argparse.ArgumentParser(prog="python -m tests.servers")
    parser.add_argument("command", choices=["fetch"])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(bundles)}")
    wanted = parser.parse_args().names or [
        name for name in RECIPES if f"KEYCLASH_TEST_{name.upper()}" not in os.environ
    ]
    for name in wanted:
        if name not in bundles:
            parser.error(f"no such server: {name}")
        prefix = fetch(bundles[name])
        print(f"{name} {prefix.version} {prefix.path}")


if __name__ == "__main__":
    main()
