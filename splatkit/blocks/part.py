"""Training a part of a scene by the ordinary training: some splats learn, others are shown beside them as they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from splatkit.blocks.coarse import cap_options
from splatkit.blocks.observation import CoarseScene, coarse_camera
from splatkit.errors import DatasetError
from splatkit.geometry.camera import Camera
from splatkit.io.images import read_mask, write_image
from splatkit.io.point_cloud import PointCloud
from splatkit.io.point_clouds import write_point_cloud
from splatkit.io.transforms_json import Frame, Transforms, read_transforms, write_transforms
from splatkit.optimize.train_settings import TrainSettings
from splatkit.splatting.splats import Splats

_LEAST_WEIGHT = 0.02  # of a pixel, that splats to be trained make up, for it to count
_GROWN_BY = 2  # px of the coarse image: what is at its edge is trained against what is beside it
_LEAST_PIXELS = 0.05  # in all photographs together, for splats that stay as they are to be shown


@dataclass(frozen=True, eq=False)
class Part:
    """What is trained of a scene, and on what."""

    scene: CoarseScene  # what there is; its splats are trained or stay as they are
    trained: NDArray[np.bool_]  # [N]
    frames: Sequence[Frame]  # photographs to train on
    steps: int
    cap: int  # largest number of splats that are trained
    seed: int
    options: Mapping[str, Any] = field(default_factory=dict)  # of `ns-train`


def train_part(part: Part, transforms: Transforms, folder: Path) -> Splats:
    """Train it; returns the splats that learned, wherever they are by then.

    Args:
        part: see there.
        transforms: of the dataset that its photographs are of.
        folder: an empty one for all that is needed on the way.
    """
    from splatkit.optimize.ges.start import write_start  # takes seconds to import
    from splatkit.optimize.load_ges import load_ges_splats
    from splatkit.optimize.train import train

    shown = _write_dataset(part, transforms, folder)
    kept = torch.from_numpy(part.trained | shown)
    start = folder / "start.npz"
    write_start(start, part.scene.run.splats.select(kept), torch.from_numpy(part.trained)[kept], part.scene.run.shell)
    options = {
        **cap_options(part.cap),
        "pipeline.model.sh-steps": 0,  # the coarse run's harmonics are there from the start
        "steps-per-save": part.steps + 1,  # an interrupted block starts from its beginning
        "steps-per-eval-image": 0,
        "pipeline.model.start": start,
    }
    settings = TrainSettings(
        folder / "transforms.json",
        folder / "runs",
        steps=part.steps,
        seed=part.seed,
        options={**part.options, **options},
        dataparser_options={"allow-outside": True},
    )
    return load_ges_splats(train(settings).config_path)


def _write_dataset(part: Part, transforms: Transforms, folder: Path) -> NDArray[np.bool_]:
    """The photographs as a dataset of their own, whose masks show what is trained.

    Returns:
        [N] which splats are seen in them.
    """
    pixels, frames = np.zeros(len(part.trained)), []
    (folder / "masks").mkdir(parents=True)
    feature = torch.from_numpy(part.trained).float()[:, None]
    for number, frame in enumerate(part.frames):
        camera = coarse_camera(frame)
        pixels += part.scene.shown_pixels(camera).double().numpy()
        with torch.no_grad():
            weights = part.scene.features(camera, feature)[..., 0].numpy()
        mask = _mask_of(frame, camera.camera, weights)
        path = folder / "masks" / f"{number:06d}.png"
        write_image(path, mask[..., None])
        # The photograph itself by its own path: it stays where it is.
        posed = replace(frame.posed, name=str(frame.image_path))
        frames.append(replace(frame, posed=posed, mask_path=path))
    means = part.scene.means[part.trained]
    cloud = folder / "points.ply"  # not where training starts, but a dataset has one
    write_point_cloud(cloud, PointCloud(means, np.full(means.shape, 128, dtype=np.uint8)))
    names = tuple(frame.file_path for frame in frames)
    file = folder / "transforms.json"
    write_transforms(
        file,
        replace(
            transforms,
            root=folder,
            frames=tuple(frames),
            ply_path=cloud,
            splits={"train": names},
            missing=(),
            missing_files=(),
            applied_transform=None,
            file_origin=(0.0, 0.0, 0.0),
        ),
    )
    if any(read_transforms(file, allow_outside=True).file_origin):
        raise DatasetError(
            f"{transforms.root}: {len(frames)} photographs of a block stand in one place, too far from the origin for "
            "float32; plan fewer blocks"
        )
    seen: NDArray[np.bool_] = pixels > _LEAST_PIXELS
    return seen


def _mask_of(frame: Frame, coarse: Camera, weights: NDArray[np.float32]) -> NDArray[np.uint8]:
    """255 where a pixel of the photograph counts: it shows what is trained, and its own mask allows it.

    Args:
        frame: the photograph.
        coarse: the pinhole that was rendered.
        weights: [h, w] how much of its pixels what is trained makes up.
    """
    size = 2 * _GROWN_BY + 1
    shows = (weights > _LEAST_WEIGHT).astype(np.uint8)
    grown = cv2.dilate(shows, np.ones((size, size), np.uint8)).astype(np.uint8)
    stored = frame.camera
    if stored.is_pinhole:
        columns, rows = _nearest(stored.width, coarse.width), _nearest(stored.height, coarse.height)
        counts = grown[rows[:, None], columns[None]]
    else:
        counts = _through_lens(stored, coarse, grown)
    if frame.mask_path is not None:
        counts = counts & read_mask(frame.mask_path)
    return (255 * counts).astype(np.uint8)


def _nearest(size: int, small: int) -> NDArray[np.int64]:
    """For each of `size` pixels the one of `small` that lies there."""
    return np.minimum((np.arange(size) + 0.5) * small / size, small - 1).astype(np.int64)


def _through_lens(stored: Camera, coarse: Camera, grown: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Where pixels of a lens with distortion are in the pinhole's image; all count that it does not show."""
    rows, columns = np.mgrid[: stored.height, : stored.width]
    pixels = np.stack([columns.reshape(-1) + 0.5, rows.reshape(-1) + 0.5], -1)
    x, y = np.floor(np.asarray(coarse.image(stored.unproject(pixels, np.ones(len(pixels)))))).T
    inside = (x >= 0) & (x < coarse.width) & (y >= 0) & (y < coarse.height)  # False for NaN
    counts = np.ones(len(pixels), dtype=np.uint8)
    counts[inside] = grown[y[inside].astype(np.int64), x[inside].astype(np.int64)]
    return counts.reshape(stored.height, stored.width)
