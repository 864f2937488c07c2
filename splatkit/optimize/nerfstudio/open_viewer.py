"""Nerfstudio's viewer of a trained run."""

import subprocess
import sys
from pathlib import Path

from splatkit.errors import DatasetError


def open_viewer(config: Path, host: str, port: int) -> None:
    """Show a run until the viewer ends.

    Raises:
        FileNotFoundError: no such config.yml.
        DatasetError: the viewer failed; it has said why.
    """
    if not config.is_file():
        raise FileNotFoundError(f"{config}: no such config.yml of a run")
    options = ["--load-config", str(config), "--viewer.websocket-host", host, "--viewer.websocket-port", str(port)]
    done = subprocess.run([sys.executable, "-m", "nerfstudio.scripts.viewer.run_viewer", *options], check=False)
    if done.returncode != 0:
        raise DatasetError(f"{config}: the viewer ended with exit code {done.returncode}")
