"""Boards in a LiDAR scan, without a first guess, a region or a picture of the empty room.

A rectangle of the board's size, of which every beam through its inside returns from one plane, and around which no
beam does. Smooth regions (`patches`) propose planes; the beams judge them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splatkit.calibration.beams import BeamPattern, LidarScan, estimate_beams
from splatkit.calibration.patches import Patches, smooth_regions
from splatkit.calibration.rectangle import fit_rectangle, rotation
from splatkit.calibration.rims import Index, line_ends, scan_lines
from splatkit.calibration.se3 import Array, compose
from splatkit.calibration.target import BoardTarget

MAX_CANDIDATES = 6
_NEAREST_M, _FARTHEST_M = 0.5, 20.0
_LINES_ACROSS = 4.0  # that must cross the board at the farthest range
_CELLS_ACROSS = 7.0  # of which patches are made
_SMALLEST, _LARGEST = 0.4, 1.8  # extent of a region over the plate's smaller side and diagonal
_PLANE_SIGMAS, _PLANE_M = 3.5, 0.02  # half the thickness of a plane: noise, and what single lasers are off
_OBLIQUE = 0.15  # cosine of incidence
_LEAST_RETURNS = 30
_BAND = 0.3  # of the plate's smaller side, around it: no beam should return from the plane there
_BORDER = 0.1  # of the plate's smaller side, inside of it: left to the band's uncertainty
_OUTER, _MOST_AROUND = 0.75, 0.4  # of the diagonal from the center, and the share of beams that may hit the plane there
_LEAST_SCORE = 0.2
_SAME_M, _SAME_TURN = 0.15, np.cos(np.radians(10))


@dataclass(frozen=True)
class BoardCandidate:
    """What may be the board.

    Attributes:
        T_lidar_board: [4, 4]; z points away from the LiDAR; half a turn about it is open.
        points: [P, 3] returns from it, m.
        indices: [P] of them in the scan.
        rim: [E, 3] ends of scan lines on it, m.
        rim_steps: [E, 3] to each of them from the return beside it, m.
        score: in [0, 1].
        plane_rms_m: of the returns against the plane.
    """

    T_lidar_board: Array
    points: Array
    indices: Index
    rim: Array
    rim_steps: Array
    score: float
    plane_rms_m: float


@dataclass(frozen=True)
class _Rays:
    """All of a scan but what is too near: indices [M] in it, returns [M, 3] and unit rays [M, 3]."""

    indices: Index
    points: Array
    directions: Array
    beams: BeamPattern


@dataclass(frozen=True)
class _Plane:
    center: Array
    axes: Array  # [3, 3] rows: two in the plane, then the normal away from the sensor


def find_boards(scan: LidarScan, target: BoardTarget) -> list[BoardCandidate]:
    """Candidates, best first, at most MAX_CANDIDATES.

    Raises:
        DatasetError: the scan has too few returns.
    """
    beams = estimate_beams(scan.points)
    ranges = np.linalg.norm(scan.points, axis=1)
    smaller, diagonal = min(target.width, target.height), float(np.hypot(target.width, target.height))
    # What lies behind judges, too: beams that pass beside the board show that it ends.
    far = np.flatnonzero(ranges > _NEAREST_M)
    rays = _Rays(far, scan.points[far], scan.points[far] / ranges[far, None], beams)
    found: list[BoardCandidate] = []
    for center, normal in _propose(scan.points, ranges, beams, smaller, diagonal):
        candidate = _examine(scan, rays, target, center, normal)
        if candidate is not None:
            found.append(candidate)
    found.sort(key=lambda candidate: -candidate.score)
    kept: list[BoardCandidate] = []
    for candidate in found:
        place = candidate.T_lidar_board[:3, 3]
        if all(np.linalg.norm(place - other.T_lidar_board[:3, 3]) > _SAME_M for other in kept):
            kept.append(candidate)
    return kept[:MAX_CANDIDATES]


def _propose(
    points: Array, ranges: Array, beams: BeamPattern, smaller: float, diagonal: float
) -> list[tuple[Array, Array]]:
    """Center and normal of regions that could be the board, range by range.

    Cells are as large as resolves the board at a range, since noise averages out over many returns; they are never
    smaller than lines lie apart, and then one size serves many ranges.
    """
    farthest = min(smaller / (_LINES_ACROSS * beams.line_spacing), _FARTHEST_M)
    bands: dict[float, tuple[float, float]] = {}
    while farthest > _NEAREST_M:
        cell = max(beams.line_spacing, smaller / (_CELLS_ACROSS * farthest))
        bands[cell] = (farthest / 2, bands.get(cell, (0.0, farthest))[1])
        farthest /= 2
    out: list[tuple[Array, Array]] = []
    for cell, (low, high) in bands.items():
        reachable = (ranges > max(low - diagonal, _NEAREST_M)) & (ranges < high + diagonal)
        for center, normal in _proposals(smooth_regions(points[reachable], beams, cell), smaller, diagonal):
            same = (np.linalg.norm(center - other) < _SAME_M / 2 and abs(normal @ n) > _SAME_TURN for other, n in out)
            if not any(same):
                out.append((center, normal))
    return out


def _proposals(patches: Patches, smaller: float, diagonal: float) -> list[tuple[Array, Array]]:
    """Center and normal of each region that is about as large as the board."""
    out = []
    order = np.argsort(patches.region, kind="stable")
    order = order[patches.region[order] >= 0]
    for members in np.split(order, np.flatnonzero(np.diff(patches.region[order])) + 1):
        if len(members) < 3:
            continue
        centers = patches.centers[members]
        center = centers.mean(0)
        spread = np.linalg.eigh(np.cov((centers - center).T))
        extent = np.ptp((centers - center) @ spread[1][:, 2])
        if _SMALLEST * smaller < extent < _LARGEST * diagonal:
            out.append((center, spread[1][:, 0]))
    return out


@dataclass(frozen=True)
class _Crossing:
    """All beams that pass a plane near a place, wherever they return from.

    Attributes:
        indices: [M] in the scan.
        points: [M, 3] returns.
        hits: [M, 3] where the beams meet the plane.
        flat: [M, 2] the same in its axes.
        off: [M] of the returns behind the plane, m.
        on_plane: [M].
    """

    indices: Index
    points: Array
    hits: Array
    flat: Array
    off: Array
    on_plane: NDArray[np.bool_]


def _examine(scan: LidarScan, rays: _Rays, target: BoardTarget, center: Array, normal: Array) -> BoardCandidate | None:
    """Fit plane and rectangle to the returns about a place, and let the beams judge."""
    reach = float(np.hypot(target.width, target.height))
    thickness = _PLANE_SIGMAS * rays.beams.range_noise_m + _PLANE_M
    cone = np.cos(np.arctan(1.5 * reach / np.linalg.norm(center)))
    toward = np.flatnonzero(rays.directions @ center > cone * np.linalg.norm(center))
    points = rays.points[toward]
    close = np.linalg.norm(points - center, axis=1) < 0.75 * reach
    plane = _fit_plane(points[close], center, normal, thickness)
    if plane is None:
        return None
    along = rays.directions[toward] @ plane.axes[2]
    toward, along = toward[along > _OBLIQUE], along[along > _OBLIQUE]
    hits = (plane.center @ plane.axes[2] / along)[:, None] * rays.directions[toward]
    near = np.linalg.norm(hits - plane.center, axis=1) < reach
    toward, hits, points = toward[near], hits[near], rays.points[toward[near]]
    off = (points - plane.center) @ plane.axes[2]
    flat = (hits - plane.center) @ plane.axes[:2].T
    crossing = _Crossing(rays.indices[toward], points, hits, flat, off, np.abs(off) < thickness)
    if not _stands_alone(flat, crossing.on_plane, off > thickness, reach):
        return None
    return _fit_board(scan, rays.beams, crossing, plane, target, thickness)


def _fit_board(
    scan: LidarScan, beams: BeamPattern, crossing: _Crossing, plane: _Plane, target: BoardTarget, thickness: float
) -> BoardCandidate | None:
    """The rectangle, first of whatever lies on the plane about its center, then of what lies inside it."""
    size = np.array([target.width, target.height])
    ring = None if scan.ring is None else scan.ring[crossing.indices]
    lines = scan_lines(crossing.points, ring, beams) if len(crossing.points) else None
    ranges = np.linalg.norm(crossing.points, axis=1)
    flat, on_plane = crossing.flat, crossing.on_plane
    member = on_plane & (np.linalg.norm(flat, axis=1) < 0.75 * np.hypot(*size))
    fit, ends, steps, position = None, np.zeros(0, dtype=np.int64), np.zeros((0, 3)), flat
    for _ in range(2):
        if member.sum() < _LEAST_RETURNS:
            return None
        if lines is not None:
            ends, beside = line_ends(*lines, member, ranges, thickness)
            steps = crossing.hits[ends] - crossing.hits[beside]
        lengths = np.linalg.norm(steps, axis=1)
        fit = fit_rectangle(flat[member], flat[ends], lengths / 3, size, fit)
        position = (flat - fit.center) @ rotation(fit.angle).T
        outside = (np.abs(position) - size / 2).max(1)
        member = on_plane & (outside < lengths.max(initial=0.0) + _PLANE_M)
        if _score(position, on_plane, crossing.off, size, thickness) < _LEAST_SCORE:
            return None
    if fit is None or member.sum() < _LEAST_RETURNS:
        return None
    turn = np.eye(3)
    turn[:2, :2] = rotation(fit.angle)
    return BoardCandidate(
        T_lidar_board=compose((turn @ plane.axes).T, plane.center + fit.center @ plane.axes[:2]),
        points=crossing.points[member],
        indices=crossing.indices[member],
        rim=crossing.points[ends],
        rim_steps=steps,
        score=_score(position, on_plane, crossing.off, size, thickness),
        plane_rms_m=float(np.sqrt(np.mean(crossing.off[member] ** 2))),
    )


def _stands_alone(flat: Array, on_plane: NDArray[np.bool_], behind: NDArray[np.bool_], reach: float) -> bool:
    """Whether the plane ends about where a board about its center would; cheap, before any rectangle is fitted."""
    radius = np.linalg.norm(flat, axis=1)
    outer = (radius > _OUTER * reach) & (on_plane | behind)
    return not outer.any() or bool(on_plane[outer].mean() < _MOST_AROUND)


def _fit_plane(points: Array, center: Array, normal: Array, thickness: float) -> _Plane | None:
    """Plane of the points near a first guess, its frame right-handed with the normal away from the sensor."""
    for width in (2 * thickness, thickness, thickness):
        member = np.abs((points - center) @ normal) < width
        if member.sum() < _LEAST_RETURNS:
            return None
        center = points[member].mean(0)
        vectors = np.linalg.eigh(np.cov((points[member] - center).T))[1]
        normal = vectors[:, 0]
    normal = normal if normal @ center > 0 else -normal
    first = vectors[:, 2]
    return _Plane(center, np.stack([first, np.cross(normal, first), normal]))


def _score(position: Array, on_plane: NDArray[np.bool_], off: Array, size: Array, thickness: float) -> float:
    """Share of the beams inside that return from the plane, times that of those around that do not.

    Beams that something in front returns say nothing. An inside that beams cross in a part only counts as that part.
    """
    beyond = (np.abs(position) - size / 2).max(1)
    free = on_plane | (off > thickness)
    inside = (beyond < -_BORDER * size.min()) & free
    around = (beyond > _BORDER * size.min()) & (beyond < (_BORDER + _BAND) * size.min()) & free
    if not inside.any():
        return 0.0
    filled = on_plane[inside].mean()
    alone = 1 - on_plane[around].mean() if around.any() else 1.0
    cells = np.floor((position[inside & on_plane] / size + 0.5) * 4).clip(0, 3).astype(np.int64)
    covered = len(np.unique(cells[:, 0] * 4 + cells[:, 1])) / 16
    return float(filled * alone * covered)
