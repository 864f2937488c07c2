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


INSTRUCTION_SETS = ["baseline", "avx2", "avx512"]


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
