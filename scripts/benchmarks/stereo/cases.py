"""Generated scenes as photographs would show them, and the truth about them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatkit.io.images import read_image_float, write_image
from splatkit.io.json_files import read_json
from splatkit.io.splits import split_frames
from splatkit.io.transforms_json import Frame, read_seed_cloud, read_transforms
from splatkit.stereo.dense_stereo import StereoInput
from splatkit.synthetic.settings import SceneSettings
from splatkit.synthetic.stage import make_scene

_NOISE = 2.0  # of 255, standard deviation
_GAIN = 0.1  # by how much of itself a photograph is brighter or darker, at most


@dataclass(frozen=True)
class Case:
    """A scene, and what is done to its photographs."""

    scene: str
    farthest: float = np.inf  # m; depths beyond are not judged
    defects: bool = False  # noise, and a gain that differs from photograph to photograph

    @property
    def name(self) -> str:
        """As records have it."""
        return f"{self.scene}, noise and gain" if self.defects else self.scene


@dataclass(frozen=True, eq=False)
class Truth:
    """What a view should find."""

    depths: NDArray[np.float32]  # [h, w] z, 0 where nothing is
    normals: NDArray[np.float64] | None  # [h, w, 3] world; None where the scene comes without


def make_case(case: Case, folder: Path, width: int, height: int, views: int) -> None:
    """Render the scene; clear pixels, which would tell where nothing is, get the color of the backdrop."""
    make_scene(SceneSettings(case.scene, folder, width, height, views, scans=1))
    background = np.array(read_json(folder / "truth/scene.json")["background"], np.float32)
    rng = np.random.default_rng(0)
    for path in sorted((folder / "images").iterdir()):
        colors = opaque(read_image_float(path), background)
        if case.defects:
            colors = with_defects(colors, rng)
        write_image(path, np.round(255 * np.clip(colors, 0, 1)).astype(np.uint8))


def opaque(image: NDArray[np.float32], background: NDArray[np.float32]) -> NDArray[np.floating]:
    """Colors [h, w, 3] before a backdrop, of an image [h, w, 3 or 4] with opacity or without."""
    if image.shape[2] == 3:
        return image
    alphas = image[..., 3:]
    return np.asarray(image[..., :3] * alphas + background * (1 - alphas))


def with_defects(colors: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.float64]:
    """A photograph [h, w, 3] in [0, 1] with a gain and noise, not clipped."""
    return colors * rng.uniform(1 - _GAIN, 1 + _GAIN) + rng.normal(scale=_NOISE / 255, size=colors.shape)


def read_case(folder: Path) -> StereoInput:
    """Photographs for training, and the seed cloud."""
    transforms = read_transforms(folder)
    cloud = read_seed_cloud(transforms)
    return StereoInput(split_frames(transforms)["train"], None if cloud is None else cloud.points)


def read_truths(folder: Path, frames: Sequence[Frame]) -> list[Truth]:
    """Of photographs that are working images as they are."""
    truths = []
    for frame in frames:
        name = f"{frame.image_path.stem}.npy"
        normals = folder / "truth/normals" / name
        known = np.load(normals).astype(np.float64) if normals.is_file() else None
        truths.append(Truth(np.load(folder / "truth/depth" / name), known))
    return truths
