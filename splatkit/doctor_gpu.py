"""What `splatkit doctor` says of the CUDA kernels: whether they fit the GPU, driver and torch, and whether they run."""

import re
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from splatkit import ops
from splatkit.ops.encodings import INTERPOLATIONS, LATTICES, EncodingSettings, encode
from splatkit.ops.isosurface import find_surface
from splatkit.ops.photo_consistency import ConsistencySettings, Sightings, Windows, photo_consistency
from splatkit.ops.stereo import window_texture

_LEAST_DRIVERS = {12: 525, 13: 580}  # by the major version of the CUDA runtime, as NVIDIA's release notes have it
_TOLERANCE = 1e-3  # between GPU and CPU, of the largest value


def gpu_kernels_state(driver: str) -> str:
    """One line: that a kernel of each family ran and gave what the CPU gives, or what is wrong and what to do.

    Args:
        driver: its version, "" where it is not known.
    """
    if not torch.cuda.is_available():
        return "not tried: there is no GPU"
    capability = torch.cuda.get_device_capability()
    built = ops.build_info()["cuda"]
    if reason := misfit(built, capability, driver, torch.cuda.get_arch_list()):
        return f"missing ({reason})"
    for name, run in FAMILIES.items():
        try:
            found, expected = run(torch.device("cuda")).cpu(), run(torch.device("cpu"))
        except RuntimeError as error:
            line = str(error).strip().splitlines()[0]
            return f"missing ({name}: {line}; update the driver, then install splatkit again)"
        if not _alike(found, expected):
            return f"missing ({name}: results differ from the CPU's; run scripts/gpu_check.py and report what it says)"
    return f"all work: {', '.join(FAMILIES)}"


def misfit(built: str, capability: tuple[int, int], driver: str, of_torch: Sequence[str]) -> str:
    """What keeps kernels from running on a GPU, and the cure; "" where nothing is known to.

    Args:
        built: `build_info()["cuda"]`, such as "nvcc 13.0.88 for sm 80-real 90": machine code for both, PTX of 90.
        capability: of the GPU.
        driver: as `gpu_kernels_state` takes it.
        of_torch: `torch.cuda.get_arch_list()`, such as sm_80 and compute_90.
    """
    gpu = f"{capability[0]}{capability[1]}"
    found = re.fullmatch(r"nvcc (\d+)[\d.]* for sm ([\w -]+?)(?:,.*)?", built)
    if found is None:
        return f"built without CUDA ({built}): put nvcc on the PATH and install splatkit again"
    major, codes = int(found[1]), found[2].split()
    if not any(_runs_on(code, capability) for code in codes):
        return f"kernels are for sm {found[2]}, the GPU is sm {gpu}: SPLATKIT_CUDA_ARCHS={gpu} pip install ."
    least = _LEAST_DRIVERS.get(major)
    if least is not None and driver and int(driver.split(".")[0]) < least:
        return f"CUDA {major} of the kernels needs driver {least} or newer, here is {driver}: update it"
    codes_of_torch = [re.sub(r"[a-z]+$", "", code.replace("compute_", "virtual_")) for code in of_torch]
    spelled = [f"{code[8:]}-virtual" if code.startswith("virtual_") else f"{code[3:]}-real" for code in codes_of_torch]
    if spelled and not any(_runs_on(code, capability) for code in spelled):
        return f"torch {torch.__version__} has no code for sm {gpu}: install another wheel of torch"
    return ""


def _runs_on(code: str, capability: tuple[int, int]) -> bool:
    """Machine code runs on its own major version from its minor one on; PTX on everything newer."""
    number, _, kind = code.partition("-")
    major, minor = int(number[:-1]), int(number[-1])
    as_machine_code = kind != "virtual" and major == capability[0] and minor <= capability[1]
    return as_machine_code or (kind != "real" and (major, minor) <= capability)


def _alike(found: Tensor, expected: Tensor) -> bool:
    found, expected = found.double(), expected.double()
    if found.shape != expected.shape:
        return False
    return bool(((found - expected).abs() <= _TOLERANCE * expected.abs().max().clamp_min(1e-6)).all())


def _splatting(device: torch.device) -> Tensor:
    """An image of one splat."""
    means, quats = torch.tensor([[0.0, 0.0, 4.0]], device=device), torch.tensor([[1.0, 0, 0, 0]], device=device)
    ones = torch.ones(1, device=device)
    viewmats = torch.eye(4, device=device)[None]
    Ks = torch.tensor([[[20.0, 0, 16], [0, 20, 16], [0, 0, 1]]], device=device)
    geometry = ops.project_splats(
        means, quats, ones.expand(1, 3), 0.9 * ones, 2 * ones, viewmats, Ks, 32, 32, 0.1, 10.0, 0.3
    )
    colors = ops.sh_colors(means, viewmats, ones.expand(1, 1, 3), geometry[3], 0)
    lists = ops.intersect_tiles(*geometry, 32, 32)
    return ops.rasterize_splats(*geometry, colors, 0.9 * ones, 2 * ones, lists, 32, 32)[0]


def _image(device: torch.device) -> Tensor:
    """The loss of a gradient."""
    ramp = torch.linspace(0, 1, 16 * 16 * 3, device=device).reshape(16, 16, 3)
    return torch.stack(ops.photometric_loss(ramp, ramp.flip(0), 0.2))


def _encodings(device: torch.device) -> Tensor:
    """Features on one dense level of squares."""
    settings = EncodingSettings([3.0], [0], [16], [4], [0], 1, 1, LATTICES["grid"], INTERPOLATIONS["linear"], 0)
    table = torch.arange(16.0, device=device)[:, None]
    return encode(torch.tensor([[0.1, 0.2], [0.5, 0.6]], device=device), table, settings)


def _isosurface(device: torch.device) -> Tensor:
    """The cases of the cells around one point inside."""
    field = torch.ones(1, 3, 3, 3, device=device)
    field[0, 1, 1, 1] = -1
    return find_surface(field).cases


def _stereo(device: torch.device) -> Tensor:
    """Variances of windows of a ramp."""
    ramp = torch.arange(0, 250, device=device).to(torch.uint8).reshape(10, 25)
    return window_texture(ramp, 1.0)[0]


def _photographs(device: torch.device) -> Tensor:
    """What two photographs say of one sample."""
    shown = Sightings(*(torch.full((1, 2), value, device=device) for value in (100.0, 0.0, 1.0)))
    alone = Windows(
        torch.tensor([0, 1], device=device),
        torch.zeros(1, dtype=torch.int32, device=device),
        torch.ones(1, device=device),
    )
    return torch.stack(photo_consistency(shown, alone, ConsistencySettings()))


FAMILIES: dict[str, Callable[[torch.device], Tensor]] = {
    "splatting": _splatting,
    "image loss": _image,
    "encodings": _encodings,
    "isosurface": _isosurface,
    "stereo": _stereo,
    "photographs": _photographs,
}
