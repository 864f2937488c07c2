"""One case of the study of encodings: a picture, a mesh or a moving object, fitted by an encoding and a network."""

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from fields.meshes import FINAL_SHARE, DistanceField, field_errors, load_solid, relative_distance_loss
from fields.motion import sample_motion
from fields.pools import draw_from
from splatkit.commands.terminal import show_progress
from splatkit.encodings import SimplexHashEncoding
from splatkit.encodings.encoded_field import EncodedField, FitSettings, fit_field
from splatkit.encodings.hash_encoding import Lattice
from splatkit.encodings.presets import spend_on_levels

Variant = Literal["grid", "simplex", "preset"]
_BATCH = 1 << 13
_POOL = 1 << 19
_JUDGED = 1 << 17
_MOST_STEPS = 100_000  # where the CPU time ends a fit
_FINAL_SHARE = {"images": 0.1, "meshes": FINAL_SHARE, "motion": 0.1}  # of the learning rate


@dataclass(frozen=True)
class EncodedCase:
    """One cell of the study."""

    section: Literal["images", "meshes", "motion", "scenes"]
    subject: str
    variant: Variant
    limit: Literal["steps", "cpu_s"]  # what is equal for all variants
    amount: int  # of steps or CPU-seconds
    seed: int

    @property
    def name(self) -> str:
        """Of its file."""
        subject = Path(self.subject).stem if self.section == "meshes" else self.subject.replace("/", "_")
        return f"{self.section}-{subject}-{self.variant}-{self.limit}-{self.amount}-{self.seed}"


@dataclass(frozen=True)
class Sizes:
    """Of the cubic encoding that the others are compared with."""

    dims: int
    num_levels: int
    min_res: int
    max_res: int
    log2_hashmap_size: int

    def of(self, variant: Variant) -> tuple[Lattice, int, int]:
        """Lattice, levels and table size of a variant."""
        if variant == "preset":
            return "simplex", *spend_on_levels(self.dims, self.num_levels, self.log2_hashmap_size)
        return variant, self.num_levels, self.log2_hashmap_size


SIZES = {
    "images": Sizes(2, 10, 16, 256, 13),
    "meshes": Sizes(3, 10, 16, 256, 15),
    "motion": Sizes(4, 8, 8, 64, 15),
    "scenes": Sizes(3, 16, 16, 512, 17),
}


def make_field(sizes: Sizes, variant: Variant, outputs: int, seed: int) -> EncodedField:
    """The variant with first values by the seed."""
    lattice, levels, log2_size = sizes.of(variant)
    torch.manual_seed(seed)
    return EncodedField(
        SimplexHashEncoding(sizes.dims, levels, sizes.min_res, sizes.max_res, log2_size, lattice=lattice), outputs
    )


def measure_encoded(case: EncodedCase, data: Path | None) -> dict[str, float]:
    """Quality after `case.amount` steps or CPU-seconds; the parameters, and CPU-seconds and steps that it took.

    Args:
        case: section images (subject: a file below data), meshes (likewise), or motion.
        data: folder of the real scenes.
    """
    sizes = SIZES[case.section]
    field = make_field(sizes, case.variant, 3 if case.section == "images" else 1, case.seed)
    by_steps = case.limit == "steps"
    settings = FitSettings(
        case.amount if by_steps else _MOST_STEPS,
        final_share=_FINAL_SHARE[case.section],
        seed=case.seed,
        cpu_limit_s=math.inf if by_steps else case.amount,
    )
    positions, values = _samples(case.section, case.subject, data, judged=False)
    steps = 0
    draw = draw_from(positions, values, _BATCH)

    def counted(generator: torch.Generator) -> tuple[Tensor, Tensor]:
        nonlocal steps
        steps += 1
        return draw(generator)

    loss = torch.nn.functional.mse_loss if case.section == "images" else relative_distance_loss
    seconds = fit_field(field, counted, loss, settings, progress=show_progress)
    judged = _samples(case.section, case.subject, data, judged=True)
    quality = {"psnr": _psnr(field, *judged)} if case.section == "images" else field_errors(field, *judged)
    parameters = sum(p.numel() for p in field.parameters())
    return {**quality, "parameters": parameters, "cpu_s": seconds, "steps": steps}


@torch.no_grad()
def _psnr(field: EncodedField, positions: Tensor, colors: Tensor) -> float:
    predicted = torch.cat([field(part) for part in positions.split(_BATCH)]).clamp(0, 1)
    return -10 * math.log10((predicted - colors).square().mean().item())


@cache  # variants and seeds share a subject's samples
def _samples(section: str, subject: str, data: Path | None, judged: bool) -> tuple[Tensor, Tensor]:
    """Positions and exact values, to fit or to judge by; of an image all pixels for both."""
    if section == "motion":
        return sample_motion(_JUDGED if judged else _POOL, torch.Generator().manual_seed(int(judged)))
    assert data is not None
    if section == "meshes":
        return DistanceField(load_solid(data / subject).mesh).sample(_JUDGED if judged else _POOL, int(judged))
    from splatkit.io.images import read_image_float

    image = torch.from_numpy(read_image_float(data / subject)[..., :3])
    rows, columns = torch.meshgrid(*(torch.arange(size) for size in image.shape[:2]), indexing="ij")
    positions = (torch.stack([columns, rows], -1).reshape(-1, 2) + 0.5) / max(image.shape[:2])
    return positions, image.reshape(-1, 3)
