"""A plan as a picture: the scene from above, each cell in a hue of its own, and where photographs were taken."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from splatkit.blocks.cells import Cell
from splatkit.blocks.observation import CoarseScene, cell_labels
from splatkit.geometry.spherical_harmonics import sh0_to_rgb
from splatkit.io.images import write_image
from splatkit.io.transforms_json import Frame
from splatkit.report.top_view import draw_top_view

_GOLDEN_ANGLE = 137.508  # deg: hues of neighboring numbers are far apart, however many there are
_TINT = 0.6  # of a cell's hue, the rest is the splat's own color


def write_plan_picture(path: Path, scene: CoarseScene, cells: Sequence[Cell], frames: Sequence[Frame]) -> None:
    """Draw it as an image file."""
    labels = cell_labels(scene, cells)
    shown = labels >= 0  # without the sky
    own = sh0_to_rgb(scene.run.splats.sh0).clamp(0, 1).numpy()[shown]
    hues = (np.arange(len(cells)) * _GOLDEN_ANGLE % 360 / 2).astype(np.uint8)  # OpenCV counts in 2 degrees
    bright = np.full_like(hues, 200)
    palette = cv2.cvtColor(np.stack([hues, bright, bright], -1)[None], cv2.COLOR_HSV2RGB)[0] / 255
    colors = (255 * ((1 - _TINT) * own + _TINT * palette[labels[shown]])).astype(np.uint8)
    boxes = np.array([[cell.low[:2], cell.high[:2]] for cell in cells])
    poses = np.stack([frame.T_world_camera for frame in frames])
    write_image(path, draw_top_view(scene.means[shown], colors, poses, np.zeros((0, 3)), boxes))
