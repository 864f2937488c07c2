"""Fit an image by an encoding and a small network: `scripts/fit_image.py PHOTO --out DIR`.

The experiment of Instant-NGP (arXiv 2201.05989, section 5.1): the image becomes a function of the position, trained on
random pixels. Writes fit.png (the image beside its fit), fit.pt, and fit.json with PSNR and the image's values for each
parameter. Errors and pictures are made band by band, so that memory grows with the image's bytes alone.
"""

import json
import sys
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor, nn

from splatkit.encodings import SimplexHashEncoding
from splatkit.encodings.hash_encoding import Lattice
from splatkit.errors import SplatkitError
from splatkit.io.atomic import atomic_file
from splatkit.io.images import read_image, write_image

_ROWS = 1 << 16  # pixels rendered at a time
_PICTURE_PX = 1600  # longest side of a half of fit.png


class ImageField(nn.Module):
    """RGB in [0, 1] of positions [N, 2] in the unit square."""

    def __init__(self, lattice: Lattice, max_res: int, num_levels: int, log2_hashmap_size: int) -> None:
        super().__init__()
        self.encoding = SimplexHashEncoding(2, num_levels, 16, max(max_res, 16), log2_hashmap_size, lattice=lattice)
        width = self.encoding.n_output_dims
        self.network = nn.Sequential(nn.Linear(width, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 3))

    def forward(self, positions: Tensor) -> Tensor:
        """[N, 3] colors."""
        return self.network(self.encoding(positions))


def pixel_centers(rows: Tensor, columns: Tensor, longest: int) -> Tensor:
    """[N, 2] centers of pixels as fractions of the longer side: cells stay square."""
    return torch.stack([columns + 0.5, rows + 0.5], -1) / longest


def train(field: ImageField, image: NDArray[np.uint8], steps: int, batch: int, seed: int) -> None:
    """Adam on the squared error of random pixels, with Instant-NGP's settings and a rate that falls tenfold."""
    height, width = image.shape[:2]
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(field.parameters(), 0.01, betas=(0.9, 0.99), eps=1e-15, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.1 ** (step / steps))
    for _ in track(range(steps), "Fitting"):
        rows = torch.randint(height, (batch,), generator=generator)
        columns = torch.randint(width, (batch,), generator=generator)
        target = torch.from_numpy(image[rows.numpy(), columns.numpy()]).float() / 255
        loss = (field(pixel_centers(rows, columns, max(height, width))) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


@torch.no_grad()
def squared_error(field: ImageField, image: NDArray[np.uint8]) -> float:
    """Mean over all pixels, a band of rows at a time."""
    height, width = image.shape[:2]
    band = max(_ROWS // width, 1)
    total = 0.0
    for top in range(0, height, band):
        rows = torch.arange(top, min(top + band, height))
        grid = torch.meshgrid(rows, torch.arange(width), indexing="ij")
        colors = field(pixel_centers(grid[0].reshape(-1), grid[1].reshape(-1), max(height, width))).clamp(0, 1)
        target = torch.from_numpy(image[top : top + band]).reshape(-1, 3).float() / 255
        total += (colors - target).square().sum().item()
    return total / image.size


@torch.no_grad()
def side_by_side(field: ImageField, image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """[h, 2 w, 3]: the image and its fit, thinned out to a size that people look at."""
    height, width = image.shape[:2]
    step = max(-(-max(height, width) // _PICTURE_PX), 1)
    rows, columns = torch.arange(0, height, step), torch.arange(0, width, step)
    grid = torch.meshgrid(rows, columns, indexing="ij")
    colors = field(pixel_centers(grid[0].reshape(-1), grid[1].reshape(-1), max(height, width))).clamp(0, 1)
    fit = colors.reshape(len(rows), len(columns), 3).numpy()
    return np.concatenate([image[::step, ::step].astype(np.float32) / 255, fit], 1)


def main(
    image_path: Annotated[Path, tyro.conf.Positional],
    out: Path,
    steps: int = 2000,
    batch: int = 1 << 16,
    lattice: Lattice = "simplex",
    num_levels: int = 16,
    log2_hashmap_size: int = 15,
    seed: int = 0,
) -> None:
    """Fit an image.

    Args:
        image_path: any RGB image that Pillow reads.
        out: folder to write.
        steps: of training.
        batch: pixels a step.
        lattice: simplex, grid or kuhn.
        num_levels: of the encoding.
        log2_hashmap_size: entries a level at most, as a power of two.
        seed: of the first values and of the pixels drawn.
    """
    if steps < 1 or batch < 1:
        sys.exit(f"fit_image: expected at least one step and one pixel, got --steps {steps} --batch {batch}")
    try:
        image = np.ascontiguousarray(read_image(image_path)[..., :3])
    except (OSError, SplatkitError) as error:
        sys.exit(f"fit_image: {error}")
    torch.manual_seed(seed)
    field = ImageField(lattice, max(image.shape[:2]) // 2, num_levels, log2_hashmap_size)
    start = time.process_time()
    train(field, image, steps, batch, seed)
    seconds = time.process_time() - start
    parameters = sum(p.numel() for p in field.parameters())
    result = {
        "image": image_path.name,
        "lattice": lattice,
        "psnr": -10 * float(np.log10(max(squared_error(field, image), 1e-12))),
        "parameters": parameters,
        "values_per_parameter": image.size / parameters,
        "steps": steps,
        "cpu_s": seconds,
    }
    out.mkdir(parents=True, exist_ok=True)
    write_image(out / "fit.png", side_by_side(field, image))
    with atomic_file(out / "fit.pt") as temporary:
        torch.save(field.state_dict(), temporary)
    with atomic_file(out / "fit.json") as temporary:
        temporary.write_text(json.dumps(result, indent=1) + "\n")
    print(
        ", ".join(
            f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in result.items()
        )
    )


if __name__ == "__main__":
    tyro.cli(main)
