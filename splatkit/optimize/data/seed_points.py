"""Where splats start: the dataset's point cloud, or random points in front of the cameras where there is none."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from splatkit.errors import DatasetError
from splatkit.geometry.se3 import transform_points
from splatkit.io.transforms_json import Frame, Transforms, read_seed_cloud
from splatkit.optimize.data.lenses import Lens
from splatkit.optimize.nerfstudio.console import warn
from splatkit.runs.views import viewmat_of

RANDOM_POINTS = 20_000  # enough to find a small scene, few enough for a CPU
_FOOTPRINT_VIEWS = 64  # of more images these are enough to know how closely a place is seen
_RADIUS_MARGIN = 1.1  # 3DGS: the extent is a little more than the cameras' own


def load_seed_points(transforms: Transforms) -> dict[str, Tensor]:
    """The cloud by the host's names, in the frame of the poses.

    Returns:
        points3D_xyz [N, 3] float32, points3D_rgb [N, 3] uint8, and points3D_normals [N, 3] float32 where there are any.
    """
    cloud = read_seed_cloud(transforms)
    if cloud is None:
        warn("The dataset names no seed cloud (ply_file_path): splats start at random points.")
        points = _random_points(transforms)
        return {"points3D_xyz": points, "points3D_rgb": torch.full(points.shape, 128, dtype=torch.uint8)}
    points = torch.from_numpy(np.array(cloud.points, dtype=np.float32))
    finite = torch.isfinite(points).all(1)
    if not finite.any():
        raise DatasetError(f"{transforms.ply_path}: the seed cloud has no finite point")
    if left_out := cloud.dropped + int((~finite).sum()):
        warn(f"{transforms.ply_path}: {left_out} points are not finite, or at the origin, and are left out.")
    if cloud.colors is None:
        warn(f"{transforms.ply_path}: the seed cloud has no colors; splats start gray.")
        colors = torch.full(points.shape, 128, dtype=torch.uint8)
    else:
        colors = torch.from_numpy(np.array(cloud.colors, dtype=np.uint8))
    out = {"points3D_xyz": points[finite], "points3D_rgb": colors[finite]}
    if cloud.normals is not None:
        out["points3D_normals"] = torch.from_numpy(np.array(cloud.normals, dtype=np.float32))[finite]
    return out


def pixel_footprints(points: Tensor, frames: Sequence[Frame], lenses: Sequence[Lens]) -> Tensor:
    """How wide a pixel is at points [N, 3], in units of the dataset, in the closest view that has them in its image.

    Whether something hides them there is not asked; points in no image have the largest of all.

    Returns:
        [N] float32.
    """
    out = torch.full((len(points),), torch.inf)
    stride = max(1, -(-len(frames) // _FOOTPRINT_VIEWS))
    for frame, lens in list(zip(frames, lenses, strict=True))[::stride]:
        camera = lens.trained
        local = transform_points(viewmat_of(frame.posed), points)
        pixels, depths = camera.image(local), local[:, 2]
        size = torch.tensor([camera.width, camera.height])
        seen = (depths > 0) & (pixels >= 0).all(1) & (pixels < size).all(1)
        out[seen] = torch.minimum(out[seen], depths[seen] / camera.fx)
    seen = out.isfinite()
    return torch.where(seen, out, out[seen].max() if seen.any() else 1.0)


def scene_extent(transforms: Transforms) -> float:
    """Radius of the cameras around their center (3DGS's unit of learning rates and sizes), in units of the dataset.

    Where the cameras stand in one place, the distance between them says nothing; then 1.
    """
    centers = _centers(transforms)
    radius = float(np.linalg.norm(centers - centers.mean(0), axis=1).max())
    return radius * _RADIUS_MARGIN if radius > 1e-6 else 1.0


def _centers(transforms: Transforms) -> np.ndarray:
    return np.stack([frame.posed.center for frame in transforms.frames])


def _random_points(transforms: Transforms) -> Tensor:
    """Points in a ball around the place the cameras look at, reaching as far as the cameras."""
    centers = _centers(transforms)
    axes = np.stack([frame.T_world_camera[:3, 2] for frame in transforms.frames])
    # The point nearest to all optical axes in the least-squares sense; the small ridge keeps parallel axes solvable.
    across = np.eye(3) - axes[:, :, None] * axes[:, None, :]
    system, right = across.sum(0), (across @ centers[:, :, None]).sum(0)[:, 0]
    ridge = 1e-3 * len(centers) * np.eye(3)
    focus = np.linalg.solve(system + ridge, right + ridge @ centers.mean(0))
    radius = max(float(np.linalg.norm(centers - focus, axis=1).mean()), scene_extent(transforms))
    generator = torch.Generator().manual_seed(0)
    directions = torch.nn.functional.normalize(torch.randn(RANDOM_POINTS, 3, generator=generator), dim=1)
    radii = radius * torch.rand(RANDOM_POINTS, 1, generator=generator) ** (1 / 3)
    return torch.from_numpy(focus).float() + directions * radii
