"""Shared fixtures: the folder of real scenes, and the backends that a rasterizer test runs on."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from splatkit.ops import native
from tests.splat_scenes import Backend, NativeBackend, ReferenceBackend


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of the real scenes; tests that need it skip where it is not set."""
    folder = os.environ.get("SPLATKIT_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("SPLATKIT_DATA does not name a folder of real scenes")
    return Path(folder)


@pytest.fixture(params=["reference", "baseline", "avx2", "avx512"])
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    """The torch definition, and the native code on each instruction set that this machine has."""
    if request.param == "reference":
        yield ReferenceBackend()
        return
    before = native().instruction_set()
    if not native().use_instruction_set(request.param):
        pytest.skip(f"this machine has no {request.param}")
    yield NativeBackend()
    native().use_instruction_set(before)
