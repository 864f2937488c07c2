"""The plate's rectangle in the plane of the returns from it: where it lies and how it is turned."""

from dataclasses import dataclass

import numpy as np

from splatkit.geometry.se3 import Array

_ANGLES = 36  # first guesses over half a turn
_APART = np.radians([4, 20])  # of the other two guesses that are refined from the best: its neighbor, and one elsewhere
_MOST_POINTS, _MOST_TO_GUESS = 300, 150
_INNER = 0.02  # share of the points at either end that extents leave out
_CAP_M = 0.15  # a point this far outside counts no more than others
_ITERATIONS = 12
_SMALL_STEP = 1e-4  # rad and m
_SOFT_M = 0.02  # rims off by more than this weigh less


@dataclass(frozen=True)
class Rectangle:
    """Angle of the plate's x axis (rad) and its center [2] (m) in the plane's coordinates, and what is left (m)."""

    angle: float
    center: Array
    residual: float

    def of_plate(self, points: Array) -> Array:
        """Points [N, 2] in the plate's own axes about its center."""
        return (points - self.center) @ rotation(self.angle).T


def rotation(angle: float | Array) -> Array:
    """[2, 2, ...] that turns plane coordinates into the plate's."""
    return np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


def fit_rectangle(points: Array, rim: Array, inset: Array, size: Array, starts: list[Rectangle]) -> Rectangle:
    """Fit a rectangle of known size.

    All returns should lie inside of it, and the ends of scan lines `inset` inside of its outline.

    Args:
        points: [P, 2] returns in the plane, m.
        rim: [E, 2] the first and last of each scan line; may be empty.
        inset: [E] by how much each of them lies inside on average, m.
        size: [2] width and height, m.
        starts: at least one guess.
    """
    points = points[:: max(1, len(points) // _MOST_POINTS)]
    return min((_refine(points, rim, inset, size, start) for start in starts), key=lambda fit: fit.residual)


def guess_rectangles(points: Array, rim: Array, inset: Array, size: Array) -> list[Rectangle]:
    """The best of angles over half a turn, best first, the rectangle in the middle of the points' extent at each.

    See `fit_rectangle` for the arguments.
    """
    points = points[:: max(1, len(points) // _MOST_TO_GUESS)]
    angles = np.arange(_ANGLES) * np.pi / _ANGLES
    turns = np.moveaxis(rotation(angles), -1, 0)
    turned = points @ np.swapaxes(turns, 1, 2)  # [angles, P, 2]
    ranked = np.sort(turned, axis=1)
    left_out = int(_INNER * len(points))
    center = (ranked[:, left_out] + ranked[:, -1 - left_out])[:, None] / 2
    outside = np.maximum(np.abs(turned - center) - size / 2, 0)
    cost = np.minimum(outside[..., 0] ** 2 + outside[..., 1] ** 2, _CAP_M**2).mean(1)
    if len(rim):
        gap = np.abs(rim @ np.swapaxes(turns, 1, 2) - center) - size / 2
        gap = np.maximum(gap[..., 0], gap[..., 1]) + inset
        cost += np.minimum(gap**2, _CAP_M**2).mean(1)
    best = np.argsort(cost)
    apart = np.abs((angles[best] - angles[best[0]] + np.pi / 2) % np.pi - np.pi / 2)
    best = np.array([best[0], *(best[apart > least][0] for least in _APART)])
    places = (center[best] @ turns[best])[:, 0]
    return [Rectangle(angles[k], place, float(np.sqrt(cost[k]))) for k, place in zip(best, places, strict=True)]


def beyond_outline(position: Array, size: Array) -> Array:
    """How far [N] plate coordinates [N, 2] lie outside of the outline in x or y, m; inside, minus the distance."""
    return np.maximum(np.abs(position[:, 0]) - size[0] / 2, np.abs(position[:, 1]) - size[1] / 2)


def _loss(values: Array, rim_count: int) -> float:
    """Robust loss of rims, and of points as far as they lie outside, m."""
    scale = np.log1p((values / _SOFT_M) ** 2)
    outside = scale[rim_count:][values[rim_count:] > 0].sum() / max(len(values) - rim_count, 1)
    return float(_SOFT_M * np.sqrt((scale[:rim_count].mean() if rim_count else 0.0) + 10 * outside))


def _refine(points: Array, rim: Array, inset: Array, size: Array, start: Rectangle) -> Rectangle:
    """Gauss-Newton on rims and on the points outside, robust."""
    angle, center, residual = start.angle, start.center, np.inf
    every, offsets = np.concatenate([rim, points]), np.concatenate([inset, np.zeros(len(points))])
    for _ in range(_ITERATIONS):
        turn = rotation(angle)
        position = (every - center) @ turn.T
        x, y = position.T
        along_x = np.abs(x) - size[0] / 2 > np.abs(y) - size[1] / 2  # the nearest edge is the left or right one
        sign = np.sign(np.where(along_x, x, y))
        values = beyond_outline(position, size) + offsets
        weights = 1 / (1 + (values / _SOFT_M) ** 2)
        weights[len(rim) :] *= values[len(rim) :] > 0  # inside is as good as anywhere
        weights[: len(rim)] *= max(1.0, len(points) / max(len(rim), 1) / 10)
        residual = _loss(values, len(rim))
        # Turning the plate by da moves a point in its frame by da (y, -x); moving it, by -turn @ dc.
        J = sign[:, None] * np.stack([np.where(along_x, y, -x), *-np.where(along_x, turn[:1].T, turn[1:].T)], 1)
        H = J.T @ (weights[:, None] * J) + 1e-9 * np.eye(3)
        step = -np.linalg.solve(H, J.T @ (weights * values))
        angle, center = angle + float(step[0]), center + step[1:]
        if np.abs(step).max() < _SMALL_STEP:
            break
    return Rectangle(float(angle), center, residual)
