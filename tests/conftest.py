"""Shared fixtures: the folder of real scenes, and the backends that a rasterizer test runs on."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch

from splatkit.ops import build_info, native
from tests.emulated import load_emulated
from tests.splat_scenes import Backend, DeviceBackend, NativeBackend, ReferenceBackend

INSTRUCTION_SETS = ["baseline", "avx2", "avx512"]


def pytest_configure() -> None:
    """SPLATKIT_INSTRUCTION_SET names what the native code uses in this process; without it, the best of the machine."""
    name = os.environ.get("SPLATKIT_INSTRUCTION_SET")
    if name is None:
        return
    if name not in INSTRUCTION_SETS:
        raise pytest.UsageError(
            f"SPLATKIT_INSTRUCTION_SET: expected one of {', '.join(INSTRUCTION_SETS)}, got {name!r}"
        )
    if not native().use_instruction_set(name):
        raise pytest.UsageError(f"SPLATKIT_INSTRUCTION_SET: this machine has no {name}")


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Every test draws the same numbers, alone or among others."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of the real scenes; tests that need it skip where it is not set."""
    folder = os.environ.get("SPLATKIT_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("SPLATKIT_DATA does not name a folder of real scenes")
    return Path(folder)


@pytest.fixture(scope="session")
def emulated_module() -> ModuleType:
    """The CUDA kernels on the host, built at first use."""
    return load_emulated()


@pytest.fixture
def emulated(emulated_module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Ops on CPU tensors run the emulated CUDA kernels for the length of a test."""
    monkeypatch.setitem(sys.modules, "splatkit._C", emulated_module)
    return emulated_module


@pytest.fixture(params=["reference", *INSTRUCTION_SETS, pytest.param("emulated", marks=pytest.mark.slow), "cuda"])
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    """The torch definition, the native code on each instruction set, and its CUDA kernels on the host and on a GPU."""
    if request.param == "reference":
        yield ReferenceBackend()
    elif request.param == "emulated":
        request.getfixturevalue("emulated")
        yield DeviceBackend(torch.device("cpu"))
    elif request.param == "cuda":
        if build_info()["cuda"] == "none" or not torch.cuda.is_available():
            pytest.skip("no GPU, or splatkit was built without CUDA kernels")
        yield DeviceBackend(torch.device("cuda"))
    else:
        before = native().instruction_set()
        if not native().use_instruction_set(request.param):
            pytest.skip(f"this machine has no {request.param}")
        yield NativeBackend()
        native().use_instruction_set(before)
