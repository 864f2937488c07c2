"""Boards in a LiDAR scan, without a first guess, a region or a picture of the empty room.

A rectangle of the board's size, of which every beam through its inside returns from one plane, and around which no
beam does. Smooth regions (`patches`) propose planes; the beams judge them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splatkit.calibration.detection.beams import BeamPattern, LidarScan, estimate_beams
from splatkit.calibration.detection.patches import Patches, smooth_regions
from splatkit.calibration.detection.rectangle import (
    Rectangle,
    beyond_outline,
    fit_rectangle,
    guess_rectangles,
    rotation,
)
from splatkit.calibration.detection.rims import Index, line_ends, scan_lines
from splatkit.calibration.targets.target import BoardTarget
from splatkit.geometry.se3 import Array, compose, lengths

MAX_CANDIDATES = 6
_MOST_FITTED = 10  # of what stands alone, by what it scores before its rectangle is fitted
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
_LEAST_SCORE, _LEAST_GUESS = 0.25, 0.25
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
    ranges = lengths(scan.points)
    smaller, diagonal = min(target.width, target.height), float(np.hypot(target.width, target.height))
    # What lies behind judges, too: beams that pass beside the board show that it ends.
    far = np.flatnonzero(ranges > _NEAREST_M)
    rays = _Rays(far, scan.points[far], scan.points[far] / ranges[far, None], beams)
    proposals = _propose(scan.points, ranges, beams, smaller, diagonal)
    prospects = [_examine(scan, rays, target, center, normal) for center, normal in proposals]
    likely = sorted((item for item in prospects if item is not None), key=lambda item: -item.score)
    fitted = [_fit_board(target, prospect) for prospect in likely[:_MOST_FITTED]]
    found = sorted((item for item in fitted if item is not None), key=lambda item: -item.score)
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
    centers, normals = np.zeros((0, 3)), np.zeros((0, 3))
    for cell, (low, high) in bands.items():
        reachable = (ranges > max(low - diagonal, _NEAREST_M)) & (ranges < high + diagonal)
        for center, normal in _proposals(smooth_regions(points[reachable], beams, cell), smaller, diagonal):
            beside = ((centers - center) ** 2).sum(1) < (_SAME_M / 2) ** 2
            if not (beside & (np.abs(normals @ normal) > _SAME_TURN)).any():
                centers, normals = np.concatenate([centers, center[None]]), np.concatenate([normals, normal[None]])
    return list(zip(centers, normals, strict=True))


def _proposals(patches: Patches, smaller: float, diagonal: float) -> list[tuple[Array, Array]]:
    """Center and normal of each region that is about as large as the board."""
    out: list[tuple[Array, Array]] = []
    order = np.argsort(patches.region, kind="stable")
    order = order[patches.region[order] >= 0]
    if len(order) == 0:
        return out
    starts = np.concatenate([[0], np.flatnonzero(np.diff(patches.region[order])) + 1])
    for first, end in zip(starts, [*starts[1:], len(order)], strict=True):
        if end - first < 3:
            continue
        centers = patches.centers[order[first:end]]
        if np.linalg.norm(np.ptp(centers, axis=0)) < _SMALLEST * smaller:
            continue
        center = centers.mean(0)
        spread = np.linalg.eigh((centers - center).T @ (centers - center))[1]
        if _SMALLEST * smaller < np.ptp((centers - center) @ spread[:, 2]) < _LARGEST * diagonal:
            out.append((center, spread[:, 0]))
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


@dataclass(frozen=True)
class _Prospect:
    """What stands alone about as a board would.

    Attributes:
        plane: of it.
        crossing: beams that pass it.
        lines: line of each of them and their order, see `scan_lines`.
        member: [M] of them, returns that are taken for its own.
        starts: guesses of its outline.
        score: of the first guess.
        thickness: half of the plane's, m.
    """

    plane: _Plane
    crossing: _Crossing
    lines: tuple[Index, Index] | None
    member: NDArray[np.bool_]
    starts: list[Rectangle]
    score: float
    thickness: float


def _examine(scan: LidarScan, rays: _Rays, target: BoardTarget, center: Array, normal: Array) -> _Prospect | None:
    """Fit a plane to the returns about a place, guess an outline, and let the beams judge."""
    size = np.array([target.width, target.height])
    reach = float(np.hypot(*size))
    thickness = _PLANE_SIGMAS * rays.beams.range_noise_m + _PLANE_M
    away = float(np.linalg.norm(center))
    toward = np.flatnonzero(rays.directions @ center > away * np.cos(np.arctan(1.5 * reach / away)))
    points = rays.points[toward]
    close = lengths(points - center) < 0.75 * reach
    plane = _fit_plane(points[close], center, normal, thickness)
    if plane is None:
        return None
    along = rays.directions[toward] @ plane.axes[2]
    toward, along = toward[along > _OBLIQUE], along[along > _OBLIQUE]
    hits = (plane.center @ plane.axes[2] / along)[:, None] * rays.directions[toward]
    near = lengths(hits - plane.center) < reach
    toward, hits, points = toward[near], hits[near], rays.points[toward[near]]
    off = (points - plane.center) @ plane.axes[2]
    flat = (hits - plane.center) @ plane.axes[:2].T
    crossing = _Crossing(rays.indices[toward], points, hits, flat, off, np.abs(off) < thickness)
    member = crossing.on_plane & (lengths(flat) < 0.75 * reach)
    if member.sum() < _LEAST_RETURNS or not _stands_alone(flat, crossing.on_plane, off > thickness, reach):
        return None
    ring = None if scan.ring is None else scan.ring[crossing.indices]
    lines = scan_lines(crossing.points, ring, rays.beams)
    ends, steps = _ends(crossing, lines, member, thickness)
    starts = guess_rectangles(flat[member], flat[ends], lengths(steps) / 3, size)
    score = _score(starts[0].of_plate(flat), crossing, size, thickness)
    return None if score < _LEAST_GUESS else _Prospect(plane, crossing, lines, member, starts, score, thickness)


def _ends(
    crossing: _Crossing, lines: tuple[Index, Index] | None, member: NDArray[np.bool_], thickness: float
) -> tuple[Index, Array]:
    """Indices [E] of the first and last return of each line, and the step [E, 3] to each from the one beside it."""
    if lines is None:
        return np.zeros(0, dtype=np.int64), np.zeros((0, 3))
    ends, beside = line_ends(*lines, member, lengths(crossing.points), thickness)
    return ends, crossing.hits[ends] - crossing.hits[beside]


def _fit_board(target: BoardTarget, prospect: _Prospect) -> BoardCandidate | None:
    """The rectangle, first of whatever lies on the plane about its center, then of what lies inside it."""
    size = np.array([target.width, target.height])
    crossing, plane, member, starts = prospect.crossing, prospect.plane, prospect.member, prospect.starts
    for _ in range(2):
        ends, steps = _ends(crossing, prospect.lines, member, prospect.thickness)
        spacing = lengths(steps)
        fit = fit_rectangle(crossing.flat[member], crossing.flat[ends], spacing / 3, size, starts)
        position = fit.of_plate(crossing.flat)
        outside = beyond_outline(position, size)
        member = crossing.on_plane & (outside < spacing.max(initial=0.0) + _PLANE_M)
        score = _score(position, crossing, size, prospect.thickness)
        if score < _LEAST_SCORE or member.sum() < _LEAST_RETURNS:
            return None
        starts = [fit]
    # Lines also end where something else crosses the plane; those ends say nothing of the outline.
    at_outline = np.abs(outside[ends]) < spacing + _PLANE_M
    ends, steps = ends[at_outline], steps[at_outline]
    turn = np.eye(3)
    turn[:2, :2] = rotation(fit.angle)
    return BoardCandidate(
        T_lidar_board=compose((turn @ plane.axes).T, plane.center + fit.center @ plane.axes[:2]),
        points=crossing.points[member],
        indices=crossing.indices[member],
        rim=crossing.points[ends],
        rim_steps=steps,
        score=score,
        plane_rms_m=float(np.sqrt(np.mean(crossing.off[member] ** 2))),
    )


def _stands_alone(flat: Array, on_plane: NDArray[np.bool_], behind: NDArray[np.bool_], reach: float) -> bool:
    """Whether the plane ends about where a board about its center would; cheap, before any rectangle is fitted."""
    radius = lengths(flat)
    outer = (radius > _OUTER * reach) & (on_plane | behind)
    return not outer.any() or bool(on_plane[outer].mean() < _MOST_AROUND)


def _fit_plane(points: Array, center: Array, normal: Array, thickness: float) -> _Plane | None:
    """Plane of the points near a first guess, its frame right-handed with the normal away from the sensor."""
    for width in (2 * thickness, thickness):
        member = np.abs((points - center) @ normal) < width
        if member.sum() < _LEAST_RETURNS:
            return None
        center = points[member].mean(0)
        vectors = np.linalg.eigh((points[member] - center).T @ (points[member] - center))[1]
        normal = vectors[:, 0]
    normal = normal if normal @ center > 0 else -normal
    first = vectors[:, 2]
    return _Plane(center, np.stack([first, np.cross(normal, first), normal]))


def _score(position: Array, crossing: _Crossing, size: Array, thickness: float) -> float:
    """Share of the beams inside that return from the plane, times that of those around that do not.

    Beams that something in front returns say nothing. An inside that beams cross in a part only counts as that part.
    """
    on_plane = crossing.on_plane
    beyond = beyond_outline(position, size)
    free = on_plane | (crossing.off > thickness)
    inside = (beyond < -_BORDER * size.min()) & free
    around = (beyond > _BORDER * size.min()) & (beyond < (_BORDER + _BAND) * size.min()) & free
    if not inside.any():
        return 0.0
    filled = on_plane[inside].mean()
    alone = 1 - on_plane[around].mean() if around.any() else 1.0
    cells = np.floor((position[inside & on_plane] / size + 0.5) * 4).clip(0, 3).astype(np.int64)
    covered = len(np.unique(cells[:, 0] * 4 + cells[:, 1])) / 16
    return float(filled * alone * covered)
