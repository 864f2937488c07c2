"""Pairs of a scan and photographs: what was found in each, before the frames are compared."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splatkit.calibration.detection.beams import LidarScan
from splatkit.calibration.detection.corners import find_corners
from splatkit.calibration.detection.extraction import BoardCandidate, find_boards
from splatkit.calibration.targets.target import BoardTarget
from splatkit.calibration.views import BoardView
from splatkit.geometry.se3 import Array


@dataclass(frozen=True)
class Frame:
    """One moment: all sensors see the board at the same place.

    Attributes:
        name: for messages and reports.
        corners: of each camera [columns * rows, 2] px, as in `BoardView`; None where the pattern is not found.
        sizes: of each camera's image, (width, height) px.
        candidates: boards in the scan.
        scan: what they were found in.
    """

    name: str
    corners: tuple[Array | None, ...]
    sizes: tuple[tuple[int, int], ...]
    candidates: list[BoardCandidate]
    scan: LidarScan


def examine_frame(name: str, images: list[NDArray[np.uint8]], scan: LidarScan, target: BoardTarget) -> Frame:
    """Find the board in the images [H, W] or [H, W, 3] of one moment and candidates for it in the scan."""
    corners = tuple(find_corners(image, target) for image in images)
    sizes = tuple((image.shape[1], image.shape[0]) for image in images)
    return Frame(name, corners, sizes, find_boards(scan, target), scan)


def view_of(frame: Frame, candidate: BoardCandidate) -> BoardView:
    """What the solver is given of a frame whose board is known."""
    scan, index = frame.scan, candidate.indices
    return BoardView(
        corners=frame.corners,
        points=candidate.points,
        rim=candidate.rim,
        rim_steps=candidate.rim_steps,
        ring=None if scan.ring is None else scan.ring[index],
        intensity=None if scan.intensity is None else scan.intensity[index],
    )
