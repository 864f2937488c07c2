"""nerfstudio dataparser `splatkit-data`: a `transforms.json` dataset with its frame and scale kept exactly as they are.

nerfstudio's own parser turns, centers and scales every scene into a unit cube, which destroys metric scale, and
multiplies the seed cloud (but not the poses) by `applied_scale`. Here poses and points stay in the frame of the file,
where both already agree, and the transform handed to the host is the identity. Lens distortion is removed by the
dataset class, so cameras are pinholes; but for fisheyes, which are splatted as they are unless told otherwise.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from nerfstudio.data.dataparsers.base_dataparser import DataParser, DataParserConfig, DataparserOutputs
from nerfstudio.data.scene_box import SceneBox

from splatkit.io.splits import split_frames
from splatkit.io.transforms_json import Frame, Transforms, read_transforms
from splatkit.optimize.data.background_directions import background_directions
from splatkit.optimize.data.lenses import Lens, lens_of, trained_camera
from splatkit.optimize.data.measured_cloud import measured_cloud
from splatkit.optimize.data.seed_points import load_seed_points, pixel_footprints, scene_extent
from splatkit.optimize.nerfstudio.cameras import to_nerfstudio
from splatkit.optimize.nerfstudio.console import tell, warn

_NAMED_AT_MOST = 5  # missing files printed by name


@dataclass
class SplatkitDataParserConfig(DataParserConfig):
    """A transforms.json dataset with its frame and scale kept."""

    _target: type = field(default_factory=lambda: SplatkitDataParser)
    data: Path = Path()
    """Folder with a transforms.json, or the file itself."""
    allow_outside: bool = False
    """Accept paths in the file that lead out of the dataset's folder."""
    fisheye: Literal["native", "rectified"] = "native"
    """Splat fisheye cameras as they are, to the corners, or cut a pinhole image out of each."""


class SplatkitDataParser(DataParser):
    """See the module."""

    config: SplatkitDataParserConfig

    def _generate_dataparser_outputs(self, split: str = "train", **kwargs: Any) -> DataparserOutputs:
        transforms = read_transforms(self.config.data, allow_outside=self.config.allow_outside)
        if split == "train":
            _report_missing(transforms)
            _report_unused(transforms.frames)
            if len(transforms.frames) == 1:
                warn("Only one image: nothing is held out for testing, and one view does not determine depth.")
        frames = split_frames(transforms)["train" if split == "train" else split]
        extent = scene_extent(transforms)
        metadata: dict[str, Any] = {"scene_extent": extent}
        lenses = [lens_of(frame, self.config.fisheye == "native") for frame in frames]
        if split == "train":
            metadata |= _clouds(transforms, frames, lenses)
        masks = [frame.mask_path for frame in frames]
        metadata |= {"photographed": [frame.posed for frame in frames], "lenses": lenses, "mask_paths": masks}
        metadata |= _depth_metadata(transforms, frames) | _map_metadata(frames)
        if "background_filenames" in metadata:  # read by who wants it: it takes seconds
            center = np.mean([frame.posed.center for frame in frames], axis=0)
            metadata |= {"cameras_center": torch.from_numpy(center).float()}
            metadata |= {"background_directions": partial(background_directions, frames)}
        half = torch.full((3,), extent)
        return DataparserOutputs(
            image_filenames=[frame.image_path for frame in frames],
            cameras=to_nerfstudio([trained_camera(frame, lens) for frame, lens in zip(frames, lenses, strict=True)]),
            scene_box=SceneBox(aabb=torch.stack([-half, half])),
            mask_filenames=None if None in masks else masks,
            metadata=metadata,
        )


def _clouds(transforms: Transforms, frames: list[Frame], lenses: list[Lens]) -> dict[str, Any]:
    """The seed cloud, and what was measured; measured depths are the seed where the dataset names none."""
    measured = measured_cloud(frames, lenses, transforms.depth_unit, with_colors=transforms.ply_path is None)
    out: dict[str, Any] = {}
    if len(measured.points):
        out = {"measured_cloud": measured.points, "depth_deviation_share": measured.deviation_share}
    if out and transforms.ply_path is None:
        tell("The dataset names no seed cloud (ply_file_path): splats start at measured depths.")
        return out | {"points3D_xyz": measured.points, "points3D_rgb": measured.colors}
    seed = load_seed_points(transforms)
    if transforms.ply_path is None:
        out["seeds_are_random"] = True
    if "points3D_normals" in seed:  # dense enough to be thinned
        out["points3D_footprints"] = pixel_footprints(seed["points3D_xyz"], frames, lenses)
    return out | seed


def _depth_metadata(transforms: Transforms, frames: list[Frame]) -> dict[str, Any]:
    """Files of depths, by the host's names where it has one, and the rig; nothing where there is no depth."""
    if all(frame.depth_path is None for frame in frames):
        return {}
    return {
        "depth_filenames": [frame.depth_path for frame in frames],
        "depth_sigma_filenames": [frame.depth_sigma_path for frame in frames],
        "depth_unit_scale_factor": transforms.depth_unit,
        "rig": transforms.rig,
        "rig_cameras": [frame.rig_camera for frame in frames],
    }


def _map_metadata(frames: list[Frame]) -> dict[str, Any]:
    """Files of normals and of where nothing is, None for a frame without; a kind that no frame has is left out."""
    files = {
        "normal_filenames": [frame.normal_path for frame in frames],
        "background_filenames": [frame.background_path for frame in frames],
    }
    return {name: paths for name, paths in files.items() if any(paths)}


def _report_missing(transforms: Transforms) -> None:
    if transforms.missing:
        total = len(transforms.missing) + len(transforms.frames)
        _name(transforms.missing, f"of {total} listed images do not exist and are left out")
    if transforms.missing_files:
        what = "masks and maps (depths, normals, background) do not exist, their images do without"
        _name(transforms.missing_files, what)


def _report_unused(frames: Iterable[Frame]) -> None:
    unused = tuple(frame.normal_path.name for frame in frames if frame.normal_path and not frame.depth_path)
    if unused:
        _name(unused, "normal maps are not used: their images have no depths, which locate the surface")


def _name(files: tuple[str, ...], what: str) -> None:
    names = ", ".join(files[:_NAMED_AT_MOST])
    warn(f"{len(files)} {what}: {names}{', ...' if len(files) > _NAMED_AT_MOST else ''}")
