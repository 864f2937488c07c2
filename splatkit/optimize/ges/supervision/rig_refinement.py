"""Joint refinement of where a LiDAR is beside its cameras: one rigid correction for each camera of the rig.

Measured depths are points p in the frame of a camera as the dataset states it. The true ones are exp(xi) p, with one
twist xi for all images of the camera: depths that splats have by then from the photographs say which. Twists learn from
the rendered depth as it is, and splats from the measurements where the twists have put them.
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import grid_sample, max_pool2d

from splatkit.geometry.rig import MountedCamera
from splatkit.geometry.se3 import invert, transform_points
from splatkit.io.atomic import atomic_file
from splatkit.optimize.data.measured_depth import MeasuredDepth
from splatkit.optimize.ges.view import View
from splatkit.optimize.nerfstudio.console import tell
from splatkit.splatting.depth_losses import robust_depth_loss

_PRIOR_MEASUREMENTS = 1e4  # as independent as they count for: the stated covariance is one of all images together
_LEAST_DEVIATION = 1e-4  # rad and m: a stated covariance of zero still lets a camera move
_EDGE_SHARE = 0.1  # of the depth: where neighbors differ by more, the rendered depth has no slope to go by


class RigRefinement(torch.nn.Module):
    """Twists of the cameras of a rig: rotation (rad), then translation, camera frame, from the left."""

    precisions: Tensor

    def __init__(self, rig: Sequence[MountedCamera], of_images: Sequence[str | None]) -> None:
        """Start as stated.

        Args:
            rig: cameras, with the covariances of their stated poses.
            of_images: name of the camera that took each training image.
        """
        super().__init__()
        self._rig = tuple(rig)
        numbers = {camera.name: index for index, camera in enumerate(rig)}
        self._of_images = [None if name is None else numbers.get(name) for name in of_images]
        self.twists = torch.nn.Parameter(torch.zeros(len(rig), 6, device="cpu"))
        covariances = np.stack([camera.covariance for camera in rig]) + _LEAST_DEVIATION**2 * np.eye(6)
        precisions = torch.from_numpy(np.linalg.inv(covariances)).float()
        self.register_buffer("precisions", precisions, persistent=False)

    def refined(self, measured: MeasuredDepth, view: View, image: int) -> tuple[MeasuredDepth, Tensor] | None:
        """Measured pixels of a training image where the twist of its camera puts them, and their points [M, 3].

        The pixels are constants for whoever learns from them; through the points gradients reach the twist. None for an
        image of no camera of the rig.
        """
        camera = self._of_images[image]
        if camera is None:
            return None
        indices = measured.indices
        pixels = torch.stack([indices % measured.width, indices // measured.width], 1) + 0.5
        stated = view.camera.unproject(pixels, measured.depths)
        points = transform_points(torch.linalg.matrix_exp(_twist_matrix(self.twists[camera])), stated)
        with torch.no_grad():
            columns, rows = view.camera.image(points).floor().long().unbind(1)
            kept = (points[:, 2] > 0) & (columns >= 0) & (columns < measured.width)
            kept &= (rows >= 0) & (rows < measured.height)
            moved = (rows * measured.width + columns)[kept].int()
            depths, sigmas = points[kept, 2].detach(), measured.sigmas[kept]
        return MeasuredDepth(moved, depths, sigmas, measured.width, measured.height), points[kept]

    def loss(self, points: Tensor, sigmas: Tensor, rendered: Tensor, view: View, floor_share: float) -> Tensor:
        """How far a rendered depth is from refined points.

        Args:
            points: [M, 3] from `refined`, in the camera's frame.
            sigmas: [M] of their depths.
            rendered: [H, W, 1] z-depth; a constant here.
            view: that was rendered.
            floor_share: see `robust_depth_loss`.
        """
        depths = rendered.detach().permute(2, 0, 1)[None]
        spread = max_pool2d(depths, 3, 1, 1) + max_pool2d(-depths, 3, 1, 1)
        size = points.new_tensor([view.width, view.height])
        grid = (2 * view.camera.image(points) / size - 1)[None, None]
        values = grid_sample(depths, grid, align_corners=False, padding_mode="border")[0, 0, 0]
        spreads = grid_sample(spread, grid.detach(), mode="nearest", align_corners=False)[0, 0, 0]
        smooth = (values > 0) & (spreads < _EDGE_SHARE * values)
        if not smooth.any():
            return 0 * points.sum()
        return robust_depth_loss(values[smooth], points[smooth, 2], sigmas[smooth], floor_share)

    def prior(self) -> Tensor:
        """How far twists are from what was stated, in units of the stated covariances."""
        return 0.5 * torch.einsum("ni,nij,nj->", self.twists, self.precisions, self.twists) / _PRIOR_MEASUREMENTS

    @torch.no_grad()
    def refined_poses(self) -> dict[str, np.ndarray]:
        """T_camera_lidar [4, 4] by the name of the camera."""
        moves = torch.linalg.matrix_exp(torch.stack([_twist_matrix(t) for t in self.twists.double().cpu()])).numpy()
        return {camera.name: move @ camera.T_camera_lidar for camera, move in zip(self._rig, moves, strict=True)}

    def report(self, path: Path) -> None:
        """Write the refined poses to a file, and say how far each camera moved."""
        record = {}
        for camera, (name, pose) in zip(self._rig, self.refined_poses().items(), strict=True):
            move = pose @ invert(camera.T_camera_lidar)
            angle = math.degrees(math.acos(min(1.0, max(-1.0, (np.trace(move[:3, :3]) - 1) / 2))))
            distance = float(np.linalg.norm(pose[:3, 3] - camera.T_camera_lidar[:3, 3]))
            record[name] = {"T_camera_lidar": pose.tolist(), "turned_deg": angle, "moved": distance}
            tell(f"T_camera_lidar of {name}: turned by {angle:.2f} deg, moved by {distance:.3f}; see {path}")
        with atomic_file(path) as temporary:
            temporary.write_text(json.dumps(record, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _twist_matrix(twist: Tensor) -> Tensor:
    """[4, 4] whose exponential is the transform of a twist [6]."""
    x, y, z, *_ = twist
    zero = torch.zeros_like(x)
    rows = [
        torch.stack([zero, -z, y, twist[3]]),
        torch.stack([z, zero, -x, twist[4]]),
        torch.stack([-y, x, zero, twist[5]]),
        torch.stack([zero, zero, zero, zero]),
    ]
    return torch.stack(rows)
