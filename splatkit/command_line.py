"""Words of a command line as settings, and what is wrong with them in one line instead of a page."""

import contextlib
import io
import re
from collections.abc import Sequence
from typing import Any

import tyro

from splatkit.errors import SettingsError


def parse(kind: Any, words: Sequence[str], config: Sequence[Any] = (), description: str | None = None) -> Any:
    """What words say, as a value of `kind`; SettingsError in one line where they say none.

    Args:
        kind: a dataclass, or a union that tyro takes.
        words: of the command line.
        config: tyro's markers.
        description: tyro's.
    """
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            return tyro.cli(kind, args=list(words), config=config, description=description)
    except SystemExit:
        raise SettingsError(_plain_text(said.getvalue())) from None


def _plain_text(said: str) -> str:
    """What tyro says of wrong options, on one line, without colors and frames."""
    text = " ".join(re.sub(r"\x1b\[[0-9;]*m|[─-╿]|-{8,}", " ", said).split())
    return text.removeprefix("Parsing error").split("For full helptext")[0].split("Available subcommands")[0].strip()
