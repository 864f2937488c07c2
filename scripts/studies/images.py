"""One picture from N splats on a plane before an orthographic camera: the kernels without geometry in the way."""

import math
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from splatkit.evaluation.image import psnr
from splatkit.splatting.kernels.table import ShapeSettings, shape_from_raw
from splatkit.splatting.losses import photometric_loss
from splatkit.splatting.rendering import render_splats
from studies.store import Case

SHAPES = {
    "gaussian": ShapeSettings(kernel="gaussian"),
    "approximate": ShapeSettings(kernel="approximate"),
    "exact_pivot": ShapeSettings(kernel="exact", coupling="pivot"),
    "exact_mass": ShapeSettings(kernel="exact", coupling="mass"),
    "compact": ShapeSettings(kernel="compact"),
}
_RATES = {"means": 0.5, "scales": 0.03, "quats": 0.01, "colors": 0.02, "opacities": 0.05, "betas": 0.02}


def measure_image(case: Case, pictures: Mapping[str, Tensor]) -> dict[str, float]:
    """PSNR of a picture [H, W, 3] that `case.count` splats were fitted to."""
    target = pictures[case.subject]
    height, width = target.shape[:2]
    settings = SHAPES[case.kernel]
    raw = _start(case, target, settings)
    rates = {name: _RATES[name] for name in raw}
    optimizer = torch.optim.Adam([{"params": [raw[name]], "lr": rate} for name, rate in rates.items()], fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.03 ** (step / case.steps))
    for _ in range(case.steps):
        loss = photometric_loss(_render(raw, settings, width, height), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        return {"psnr": float(psnr(_render(raw, settings, width, height), target))}


def _start(case: Case, target: Tensor, settings: ShapeSettings) -> dict[str, Tensor]:
    """Raw parameters: splats at random places, as large as their share of the picture, with its colors there."""
    generator = torch.Generator().manual_seed(case.seed)
    height, width = target.shape[:2]
    places = torch.rand(case.count, 2, generator=generator) * torch.tensor([width, height])
    pixels = places.long()
    size = 0.6 * math.sqrt(width * height / case.count)
    depths = 1 + torch.rand(case.count, 1, generator=generator)
    raw = {
        "means": torch.cat([places, depths], 1),
        "quats": torch.tensor([1.0, 0.0, 0.0, 0.0]).repeat(case.count, 1),
        "colors": target[pixels[:, 1], pixels[:, 0]].clone(),
        "opacities": torch.full((case.count,), 1.0),
        **settings.trained.raw_gaussian(torch.full((case.count, 3), size)),
    }
    return {name: value.requires_grad_() for name, value in raw.items()}


def _render(raw: Mapping[str, Tensor], settings: ShapeSettings, width: int, height: int) -> Tensor:
    scales, betas = shape_from_raw(raw, settings)
    rendering = render_splats(
        raw["means"],
        raw["quats"],
        scales,
        torch.sigmoid(raw["opacities"]),
        betas,
        raw["colors"],
        torch.eye(4)[None],
        torch.eye(3)[None],
        width,
        height,
        camera_model="orthographic",
        kernel=settings.trained.profile.name,
    )
    return rendering.colors[0]


def load_picture(path: Path, width: int) -> Tensor:
    """A picture [H, W, 3] in [0, 1], reduced to a width."""
    import cv2

    from splatkit.io.images import read_image_float

    image = read_image_float(path)[..., :3]
    height = round(image.shape[0] * width / image.shape[1])
    return torch.from_numpy(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA))
