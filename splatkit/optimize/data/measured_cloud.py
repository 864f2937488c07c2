"""What was measured in all images: as one cloud, for people to look at beside the splats from wherever they stand; and
how certain it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import torch
from torch import Tensor

from splatkit.geometry.se3 import transform_points
from splatkit.io.images import read_image
from splatkit.io.maps.depth_maps import read_depth_map
from splatkit.io.transforms_json import Frame
from splatkit.optimize.data.lenses import Lens, rectify
from splatkit.optimize.data.measured_depth import measured_depth

MOST_POINTS, _MOST_FRAMES = 100_000, 64


@dataclass(frozen=True)
class MeasuredCloud:
    """What was measured in images."""

    points: Tensor  # [N, 3] float32, world
    colors: Tensor | None = None  # [N, 3] uint8, of the photographs
    deviation_share: float | None = None  # median deviation, as a share of the depth; None where most are not known


def measured_cloud(
    frames: Sequence[Frame], lenses: Sequence[Lens], unit: float, with_colors: bool = False
) -> MeasuredCloud:
    """Points of the world under measured pixels, evenly chosen from evenly chosen frames.

    Args:
        frames: of which some have depth maps.
        lenses: of all frames.
        unit: of the depth maps.
        with_colors: also read the photographs.
    """
    chosen = [(frame, lens) for frame, lens in zip(frames, lenses, strict=True) if frame.depth_path is not None]
    chosen = chosen[:: max(1, -(-len(chosen) // _MOST_FRAMES))]
    clouds, colors = [torch.zeros(0, 3)], [torch.zeros(0, 3, dtype=torch.uint8)]
    shares = [torch.zeros(0)]
    for frame, lens in chosen:
        assert frame.depth_path is not None
        camera = frame.camera
        stored = read_depth_map(frame.depth_path, frame.depth_sigma_path, unit)
        measured = measured_depth(stored, lens, (camera.width, camera.height))
        stride = max(1, -(-len(measured) * len(chosen) // MOST_POINTS))
        indices, depths = measured.indices[::stride].long(), measured.depths[::stride]
        shares.append(measured.sigmas[::stride] / depths)
        pixels = torch.stack([indices % camera.width, indices // camera.width], 1) + 0.5
        T_world_camera = torch.tensor(frame.T_world_camera, dtype=torch.float32)
        clouds.append(transform_points(T_world_camera, lens.trained.unproject(pixels, depths)))
        if with_colors:
            image = rectify(read_image(frame.image_path)[..., :3], lens, cv2.INTER_LINEAR)
            colors.append(torch.from_numpy(image.reshape(-1, 3))[indices])
    typical = float(torch.cat([*shares, torch.zeros(1)]).median())  # deviations that are not known are 0
    return MeasuredCloud(torch.cat(clouds), torch.cat(colors) if with_colors else None, typical or None)
