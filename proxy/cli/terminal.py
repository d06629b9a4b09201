"""Text from elsewhere on a terminal."""

from typing import Final

_CONTROLS: Final = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}


def shown(text: str) -> str:
    """Write control characters as what they are: no name of a table moves the cursor."""
    return text.translate(_CONTROLS)
