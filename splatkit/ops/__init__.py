"""The one door to native code: torch.library ops with shapes, gradients and fake implementations."""

import torch

from splatkit.ops._library import native, native_threads_only
from splatkit.ops.adam import adam_step
from splatkit.ops.photometric import photometric_loss
from splatkit.ops.precision import full_precision
from splatkit.ops.projection import project_splats, project_splats_antialiased, sh_colors
from splatkit.ops.rasterization import MAX_CHANNELS, TileLists, intersect_tiles, median_depths, rasterize_splats

__all__ = [
    "MAX_CHANNELS",
    "TileLists",
    "adam_step",
    "build_info",
    "full_precision",
    "has_kernels",
    "intersect_tiles",
    "median_depths",
    "native_threads_only",
    "photometric_loss",
    "project_splats",
    "project_splats_antialiased",
    "rasterize_splats",
    "sh_colors",
]


def build_info() -> dict[str, str]:
    """What the native code is: compiler, the instruction set in use, and for which GPUs it has CUDA kernels, or why
    for none.
    """
    module = native()
    info = {"compiler": module.compiler, "instruction_set": module.instruction_set(), "cuda": module.cuda or "none"}
    return info if module.cuda else {**info, "why_no_cuda": module.why_no_cuda}


def has_kernels(device: torch.device) -> bool:
    """Whether this build computes on tensors of a device."""
    return device.type == "cpu" or (device.type == "cuda" and build_info()["cuda"] != "none")
