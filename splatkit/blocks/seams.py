"""Where blocks meet: which splats are near seams, the pass that fits them to each other, and how good images are there.

A seam is a face of a cell with another cell behind it.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from splatkit.blocks.cells import Cell
from splatkit.blocks.observation import CoarseScene
from splatkit.blocks.part import Part, train_part
from splatkit.io.transforms_json import Frame, Transforms
from splatkit.progress import Progress, track
from splatkit.runs.trained_run import TrainedRun, read_target
from splatkit.runs.views import RunView
from splatkit.splatting.splats import Splats

NEAR = 0.05  # of the size of a cell: splats at most so far from a face are near a seam
_MOSTLY = 0.5  # of a pixel, that splats near seams make up, for it to be near a seam
FIXED = ("means", "scales", "quats", "features_rest", "betas", "lobes")  # what the pass leaves as it is


@dataclass(frozen=True)
class SeamScore:
    """How images of held-out photographs compare with them, near seams and elsewhere."""

    views: int
    near_share: float  # of the pixels that are near seams
    psnr_near: float | None  # dB over all these pixels; None: there are none
    psnr_inside: float | None  # dB over all others
    psnr: float  # dB, mean over photographs

    def text(self) -> str:
        """For people."""
        near, inside = ("none" if value is None else f"{value:.2f} dB" for value in (self.psnr_near, self.psnr_inside))
        return (
            f"held-out views: {self.psnr:.2f} dB; pixels near seams ({self.near_share:.0%}): {near}, others: {inside}"
        )


def near_seams(means: NDArray[np.floating], cells: Sequence[Cell]) -> NDArray[np.bool_]:
    """Which of splats at [N, 3] are near a face between cells, [N]."""
    near = np.zeros(len(means), dtype=np.bool_)
    for cell in cells:
        owned = np.flatnonzero(cell.owns(means))
        near[owned] = cell.seam_distance(means[owned]) < NEAR
    return near


def fit_seams(
    scene: CoarseScene,
    cells: Sequence[Cell],
    frames: Sequence[Frame],
    transforms: Transforms,
    steps: int,
    seed: int,
    options: dict[str, Any],
    work: Path,
) -> Splats:
    """Let opacities and base colors of splats near seams learn for some steps; all else stays.

    Args:
        scene: merged.
        cells: whose seams.
        frames: photographs that cross seams.
        transforms: of their dataset.
        steps: of training.
        seed: of all randomness.
        options: of `ns-train`.
        work: an existing folder to work in.

    Returns:
        All splats; those near seams come last.
    """
    near = near_seams(scene.means, cells) & ~scene.is_sky
    if not near.any():
        return scene.run.splats
    fixed = {f"optimizers.{name}.optimizer.lr": 0.0 for name in FIXED}
    still = {"pipeline.model.densification.warmup-steps": steps + 1, "pipeline.model.mcmc.warmup-steps": steps + 1}
    part = Part(scene, near, frames, steps, int(near.sum()), seed, {**options, **fixed, **still})
    with tempfile.TemporaryDirectory(prefix=".seams-", dir=work) as folder:
        learned = train_part(part, transforms, Path(folder))
    rest = scene.run.splats.select(torch.from_numpy(~near))
    return Splats(**{name: torch.cat([value, getattr(learned, name)]) for name, value in vars(rest).items()})


@torch.no_grad()
def score_seams(run: TrainedRun, views: Sequence[RunView], cells: Sequence[Cell], progress: Progress) -> SeamScore:
    """Compare images with photographs, apart for pixels near seams; of lenses with distortion, none are.

    Args:
        run: merged.
        views: held out.
        cells: whose seams.
        progress: shows how far it is.
    """
    scene = CoarseScene(run)
    feature = torch.from_numpy(near_seams(scene.means, cells) & ~scene.is_sky).float()[:, None]
    plain = [view for view in views if view.photographed.camera.is_pinhole]
    sums, counts, scores = np.zeros(2), np.zeros(2), []
    for view in track(plain, "comparing seams", progress, len(plain)):
        target = read_target(view.image_path)
        errors = (run.image(view.posed) - target).square().mean(-1).double()
        near = scene.features(view.posed, feature)[..., 0] > _MOSTLY
        for row, which in enumerate((near, ~near)):
            sums[row] += float(errors[which].sum())
            counts[row] += int(which.sum())
        scores.append(-10 * np.log10(max(float(errors.mean()), 1e-12)))
    near_db, inside_db = (
        -10 * float(np.log10(max(total / count, 1e-12))) if count else None
        for total, count in zip(sums, counts, strict=True)
    )
    share = float(counts[0] / counts.sum()) if plain else 0.0
    return SeamScore(len(plain), share, near_db, inside_db, float(np.mean(scores)) if scores else float("nan"))
