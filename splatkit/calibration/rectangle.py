"""The plate's rectangle in the plane of the returns from it: where it lies and how it is turned."""

from dataclasses import dataclass

import numpy as np

from splatkit.calibration.se3 import Array

_ANGLES = 60  # first guesses over half a turn
_KEEP = 3  # of them are refined
_APART = np.radians(20)
_MOST_POINTS = 300
_INNER = 0.02  # share of the points at either end that extents leave out
_CAP_M = 0.15  # a point this far outside counts no more than others
_ITERATIONS = 8
_SMALL_STEP = 1e-4  # rad and m
_SOFT_M = 0.02  # rims off by more than this weigh less


@dataclass(frozen=True)
class Rectangle:
    """Angle of the plate's x axis (rad) and its center [2] (m) in the plane's coordinates, and what is left (m)."""

    angle: float
    center: Array
    residual: float


def rotation(angle: float) -> Array:
    """[2, 2] that turns plane coordinates into the plate's."""
    return np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


def fit_rectangle(points: Array, rim: Array, inset: Array, size: Array, start: Rectangle | None = None) -> Rectangle:
    """Fit a rectangle of known size.

    All returns should lie inside of it, and the ends of scan lines `inset` inside of its outline.

    Args:
        points: [P, 2] returns in the plane, m.
        rim: [E, 2] the first and last of each scan line; may be empty.
        inset: [E] by how much each of them lies inside on average, m.
        size: [2] width and height, m.
        start: near the answer, where known.
    """
    points = points[:: max(1, len(points) // _MOST_POINTS)]
    if start is not None:
        return _refine(points, rim, inset, size, start.angle, start.center)
    angles, centers = _starts(points, rim, inset, size)
    fits = [_refine(points, rim, inset, size, angle, center) for angle, center in zip(angles, centers, strict=True)]
    return min(fits, key=lambda fit: fit.residual)


def _starts(points: Array, rim: Array, inset: Array, size: Array) -> tuple[Array, Array]:
    """The best of angles over half a turn, the rectangle in the middle of the points' extent at each."""
    angles = np.arange(_ANGLES) * np.pi / _ANGLES
    turns = np.stack([rotation(angle) for angle in angles])
    turned = points @ np.swapaxes(turns, 1, 2)  # [angles, P, 2]
    ranked = np.sort(turned, axis=1)
    left_out = int(_INNER * len(points))
    center = (ranked[:, left_out] + ranked[:, -1 - left_out])[:, None] / 2
    outside = np.maximum(np.abs(turned - center) - size / 2, 0)
    cost = np.minimum((outside**2).sum(2), _CAP_M**2).mean(1)
    if len(rim):
        gap = (np.abs(rim @ np.swapaxes(turns, 1, 2) - center) - size / 2).max(2) + inset
        cost += np.minimum(gap**2, _CAP_M**2).mean(1)
    best = np.argsort(cost)
    # Neighbors of the best would end where it ends.
    apart = np.abs((angles[best] - angles[best[0]] + np.pi / 2) % np.pi - np.pi / 2) > _APART
    best = np.concatenate([best[:1], best[apart][: _KEEP - 1]])
    return angles[best], (center[best] @ turns[best])[:, 0]


def _outside(position: Array, size: Array) -> tuple[Array, Array, Array]:
    """Signed distance [N] of plate coordinates [N, 2] to the outline, the axis [N] of the nearest edge and its sign."""
    beyond = np.abs(position) - size / 2
    axis = beyond.argmax(1)
    pick = np.arange(len(position))
    return beyond[pick, axis], axis, np.sign(position[pick, axis])


def _loss(values: Array, rim_count: int) -> float:
    """Robust loss of rims, and of points as far as they lie outside, m."""
    scale = np.log1p((values / _SOFT_M) ** 2)
    outside = scale[rim_count:][values[rim_count:] > 0].sum() / max(len(values) - rim_count, 1)
    return float(_SOFT_M * np.sqrt((scale[:rim_count].mean() if rim_count else 0.0) + 10 * outside))


def _refine(points: Array, rim: Array, inset: Array, size: Array, angle: float, center: Array) -> Rectangle:
    """Gauss-Newton on rims and on the points outside, robust."""
    residual = np.inf
    for _ in range(_ITERATIONS):
        turn = rotation(angle)
        every, offsets = np.concatenate([rim, points]), np.concatenate([inset, np.zeros(len(points))])
        position = (every - center) @ turn.T
        beyond, axis, sign = _outside(position, size)
        values = beyond + offsets
        weights = 1 / (1 + (values / _SOFT_M) ** 2)
        weights[len(rim) :] *= values[len(rim) :] > 0  # inside is as good as anywhere
        weights[: len(rim)] *= max(1.0, len(points) / max(len(rim), 1) / 10)
        residual = _loss(values, len(rim))
        # Turning the plate by da moves a point in its frame by da (y, -x); moving it, by -turn @ dc.
        by_angle = sign * np.where(axis == 0, position[:, 1], -position[:, 0])
        J = np.concatenate([by_angle[:, None], -sign[:, None] * turn[axis]], 1)
        H = J.T @ (weights[:, None] * J) + 1e-9 * np.eye(3)
        step = -np.linalg.solve(H, J.T @ (weights * values))
        angle, center = angle + float(step[0]), center + step[1:]
        if np.abs(step).max() < _SMALL_STEP:
            break
    return Rectangle(float(angle), center, residual)
