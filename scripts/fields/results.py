"""What every script that fits a field leaves behind."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import torch
from torch import nn

from splatkit.errors import SplatkitError
from splatkit.io.atomic import atomic_file

Result = dict[str, str | float]


def keep_result(out: Path, field: nn.Module, result: Result) -> None:
    """Write fit.pt and fit.json."""
    with atomic_file(out / "fit.pt") as temporary:
        torch.save(field.state_dict(), temporary)
    with atomic_file(out / "fit.json") as temporary:
        temporary.write_text(json.dumps(result, indent=1) + "\n")


def run(script: str, fit: Callable[[], Result]) -> None:
    """Fit and print the result; bad input and interruptions end the program with one line."""
    try:
        result = fit()
    except (OSError, ValueError, SplatkitError) as error:
        _end(script, str(error))
    except KeyboardInterrupt:
        _end(script, "interrupted; the same command resumes from the last state that was kept")
    shown = (f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in result.items())
    print(", ".join(shown))


def _end(script: str, reason: str) -> NoReturn:
    sys.exit(f"{script}: {reason}")
