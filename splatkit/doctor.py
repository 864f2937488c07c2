"""`splatkit doctor`: what of the toolkit works on this machine, and what to install where something is missing."""

import importlib
import importlib.metadata
import platform
import re
import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import splatkit

_PACKAGES = ("torch", "nerfstudio", "open3d", "numpy")


def report() -> list[tuple[str, str]]:
    """(what, finding) for each thing that the toolkit needs or can use; a finding that is a problem says 'missing'."""
    rows = [("splatkit", splatkit.__version__), ("python", platform.python_version())]
    rows += [(name, _attempt(partial(_package_state, name))) for name in _PACKAGES]
    rows += [
        ("native code", _attempt(_native_state)),
        ("CUDA", _attempt(_cuda_state)),
        ("GPU kernels", _attempt(_kernels_state)),
        ("ffmpeg", _attempt(_ffmpeg_state)),
        ("free disk", f"{shutil.disk_usage(Path.cwd()).free / 1e9:.1f} GB in {Path.cwd()}"),
    ]
    return rows


def _attempt(state: Callable[[], str]) -> str:
    """A finding, or why it could not be had: a broken library must not hide the rest of the report."""
    try:
        return state()
    except Exception as error:
        return f"missing ({type(error).__name__}: {error})"


def _package_state(name: str) -> str:
    importlib.import_module(name)  # a package can be installed and yet lack a system library
    return importlib.metadata.version(name)


def _native_state() -> str:
    info = importlib.import_module("splatkit.ops").build_info()
    return ", ".join(f"{name.replace('_', ' ')}: {value}" for name, value in info.items())


def _cuda_state() -> str:
    torch, driver = importlib.import_module("torch"), driver_version()
    if torch.cuda.is_available():
        major, minor = torch.cuda.get_device_capability()
        name = f"{torch.cuda.get_device_name()}, sm {major}{minor}"
        return f"{name} (driver {driver or 'unknown'}, torch's CUDA {torch.version.cuda})"
    if not driver:
        return "no device; training runs on the CPU"
    if torch.version.cuda is None:
        return f"missing (there is a GPU, but torch {torch.__version__} is for CPUs: install its CUDA wheel)"
    return (
        f"missing (there is a GPU, but torch with CUDA {torch.version.cuda} cannot use its driver {driver}: update it)"
    )


def driver_version() -> str:
    """Of the NVIDIA driver, such as "580.65.06"; "" where nvidia-smi is missing or finds none."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ""
    query = [program, "--query-gpu=driver_version", "--format=csv,noheader"]
    done = subprocess.run(query, capture_output=True, text=True, check=False)
    lines = done.stdout.split()
    return lines[0] if done.returncode == 0 and lines and re.fullmatch(r"\d[\d.]*", lines[0]) else ""


def _kernels_state() -> str:
    return str(importlib.import_module("splatkit.doctor_gpu").gpu_kernels_state(driver_version()))


def _ffmpeg_state() -> str:
    if found := shutil.which("ffmpeg"):
        return found
    return str(importlib.import_module("imageio_ffmpeg").get_ffmpeg_exe())
