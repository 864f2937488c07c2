"""The docs' picture of a synthetic walk: `scripts/pictures.py courtyard --dataset courtyard --out DIR`.

The dataset is made by `splatkit scene courtyard --out courtyard`.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatkit.io.formats.trajectories import Trajectory, read_trajectory
from splatkit.io.images import read_image, write_image
from splatkit.io.point_clouds import read_point_cloud
from splatkit.io.scans.readers import list_scan_files
from splatkit.io.transforms_json import Frame, read_transforms
from splatkit.report.overlays import draw_points
from splatkit.report.plots import colorize_depth

_FARTHEST_M = 40.0  # of the depth's colors
_ABOVE_PX = 20  # a meter
_GAP = 6  # px


def main(dataset: Path, out: Path, number: int = 2) -> None:
    """Write courtyard.jpg: both photographs of one timestamp, LiDAR points on one, its depth, and all scans from above.

    Args:
        dataset: folder of a synthetic walk.
        out: folder of the pictures.
        number: of the moment to show.
    """
    frames = {frame.image_path.stem: frame for frame in read_transforms(dataset).frames}
    left, right = frames[f"left_{number:04d}"], frames[f"right_{number:04d}"]
    trajectory = read_trajectory(dataset / "truth/trajectory.txt")
    scans = [_in_world(path, trajectory) for path in list_scan_files(dataset / "lidar")]
    depth = np.load(dataset / f"truth/depth/{left.image_path.stem}.npy")
    photographs = [read_image(frame.image_path) for frame in (left, right)]
    overlay = _overlay(photographs[0], left, np.concatenate(scans), depth)
    views = [photographs[0], photographs[1], overlay, colorize_depth(depth, 1.0, _FARTHEST_M)]
    grid = np.concatenate([np.concatenate(views[:2], 1), np.concatenate(views[2:], 1)], 0)
    above = _from_above(np.concatenate(scans), trajectory, len(grid))
    gap = np.full((len(grid), _GAP, 3), 255, np.uint8)
    out.mkdir(parents=True, exist_ok=True)
    write_image(out / "courtyard.jpg", np.concatenate([grid, gap, above], 1))


def _in_world(path: Path, trajectory: Trajectory) -> NDArray[np.float64]:
    """Points [N, 3] of a scan where the LiDAR was at the moment of each."""
    cloud = read_point_cloud(path)
    assert cloud.time is not None
    poses = trajectory.at(cloud.time)
    return np.einsum("nij,nj->ni", poses[:, :3, :3], cloud.points) + poses[:, :3, 3]


def _overlay(
    image: NDArray[np.uint8], frame: Frame, world: NDArray[np.float64], depth: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """The points that nothing hides, on the photograph."""
    local = frame.posed.local(world)
    pixels, inside = frame.camera.project(local, nearest=0.3)
    pixels, z = pixels[inside], local[inside, 2]
    columns, rows = pixels.astype(int).T
    seen = np.abs(depth[rows, columns] - z) < 0.1 + 0.02 * z
    chosen = np.flatnonzero(seen)[::12]
    return draw_points(image, pixels[chosen], z[chosen], radius=1)


def _from_above(world: NDArray[np.float64], trajectory: Trajectory, size: int) -> NDArray[np.uint8]:
    """All scans and the path, x to the right and y up, by height."""
    reach = size / _ABOVE_PX / 2
    pixels = np.stack([world[:, 0] + reach, reach - world[:, 1]], axis=-1) * _ABOVE_PX
    keep = (pixels >= 0).all(1) & (pixels < size).all(1)
    columns, rows = pixels[keep].astype(int).T
    order = np.argsort(world[keep, 2])
    heights = np.zeros((size, size), np.float32)
    heights[rows[order], columns[order]] = world[keep, 2][order] + 1.0
    picture = colorize_depth(heights, 0.5, 5.0)
    path = np.stack([trajectory.poses[:, 0, 3] + reach, reach - trajectory.poses[:, 1, 3]], axis=-1) * _ABOVE_PX
    return draw_points(picture, path, np.linspace(1, 2, len(path)), radius=1)
