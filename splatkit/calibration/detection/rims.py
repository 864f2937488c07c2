"""Where scan lines enter and leave the board."""

import numpy as np
from numpy.typing import NDArray

from splatkit.calibration.detection.beams import BeamPattern
from splatkit.geometry.se3 import Array, lengths

Index = NDArray[np.int64]
_LEAST_ON_LINE = 5  # returns, for its ends to count
_HOLE = 3.5  # steps without a return: the line's end could be anywhere in there


def scan_lines(points: Array, ring: Index | None, beams: BeamPattern) -> tuple[Index, Index] | None:
    """Line [M] of each of these returns and the order [M] along all lines, or None where lines cannot be told.

    Args:
        points: [M, 3] of a part of the scan less than half around the sensor, as they follow each other in it.
        ring: [M] where known.
        beams: of the scan.
    """
    center = points.mean(0)
    azimuth = np.arctan2(points[:, 1], points[:, 0]) - np.arctan2(center[1], center[0])
    azimuth = (azimuth + np.pi) % (2 * np.pi) - np.pi
    if ring is not None:
        return ring, np.lexsort((azimuth, ring))
    directions = points / lengths(points)[:, None]
    if beams.sequential:
        steps = lengths(np.diff(directions, axis=0))
        breaks = steps > 4 * np.median(steps)
        return np.concatenate([[0], np.cumsum(breaks)]), np.arange(len(points))
    if beams.line_spacing < 2 * beams.spacing:
        return None
    elevation = np.arcsin(directions[:, 2])
    order = np.argsort(elevation)
    line = np.empty(len(points), dtype=np.int64)
    line[order] = np.concatenate([[0], np.cumsum(np.diff(elevation[order]) > 0.4 * beams.line_spacing)])
    return line, np.lexsort((azimuth, line))


def line_ends(
    line: Index, order: Index, on_board: NDArray[np.bool_], ranges: Array, margin: float
) -> tuple[Index, Index]:
    """First and last return of each line on the board, and the return beside each on the board.

    Ends in front of which something stands are left out: there the board goes on behind it.

    Args:
        line: [M].
        order: [M] along lines.
        on_board: [M].
        ranges: [M] m.
        margin: by which a return beyond an end must be nearer to count as standing in front, m.

    Returns:
        Indices [E] of the ends and [E] of their neighbors.
    """
    line, on_board, ranges = line[order], on_board[order], ranges[order]
    ends, beside = [], []
    for index in np.split(np.arange(len(line)), np.flatnonzero(np.diff(line)) + 1):
        hits = index[on_board[index]]
        if len(hits) < _LEAST_ON_LINE:
            continue
        for end, inner, beyond in ((hits[0], hits[1], hits[0] - 1), (hits[-1], hits[-2], hits[-1] + 1)):
            inside = index[0] <= beyond <= index[-1]
            if inside and ranges[beyond] < ranges[end] - margin:
                continue
            if abs(int(end) - int(inner)) <= _HOLE:
                ends.append(end)
                beside.append(inner)
    return order[np.array(ends, dtype=np.int64)], order[np.array(beside, dtype=np.int64)]
