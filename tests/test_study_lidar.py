"""The study of LiDARs runs from nothing to its table, and goes on where it was."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts/study_lidar.py"


@pytest.mark.slow
def test_a_quick_study_writes_a_table_and_a_picture(tmp_path):
    def run():
        return subprocess.run(
            [sys.executable, str(SCRIPT), "--out", str(tmp_path / "study"), "--quick"],
            capture_output=True,
            text=True,
            check=False,
        )

    first = run()
    assert first.returncode == 0, first.stderr
    table = (tmp_path / "study/summary.md").read_text()
    assert table.count("| LiDAR, ") == 2
    assert "photographs alone" in table
    assert (tmp_path / "study/lidar.jpg").is_file()
    again = run()
    assert again.returncode == 0
    assert "psnr" not in again.stdout  # nothing was measured anew
