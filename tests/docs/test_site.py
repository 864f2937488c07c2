"""The pages build into a site without a warning, and describe every public name."""

import os
import re
import subprocess
import sys

import pytest

import splatkit
from tests.docs.pages import ROOT


@pytest.mark.slow
def test_the_site_builds_strictly(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    page = (tmp_path / "site/api/splats/index.html").read_text(encoding="utf-8")
    assert "exponents in [1, 8]" in page  # from a docstring
    assert (tmp_path / "site/changelog/index.html").is_file()


def test_every_public_name_is_described():
    text = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs/api").glob("*.md"))
    described = {line.rpartition(".")[2] for line in re.findall(r"^::: (\S+)$", text, re.MULTILINE)}
    assert set(splatkit.__all__) <= described
