"""What the sensors saw of the board, one view for each of its poses."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from splatkit.errors import SettingsError
from splatkit.geometry.se3 import Array


def _nothing() -> Array:
    return np.zeros((0, 3))


@dataclass(frozen=True)
class BoardView:
    """One pose of the board.

    Attributes:
        corners: of each camera [columns * rows, 2] px, in the order of `BoardTarget.corners`, NaN where a corner is not
            seen; None where it does not see the board.
        points: [P, 3] returns from the board, LiDAR frame, m.
        rim: [E, 3] the first and last return of each scan line on the board, LiDAR frame, m; may be empty.
        rim_steps: [E, 3] from the return before each of them on its line, inside the board, to it, m.
        ring: [P] laser of each return, where known.
        intensity: [P] of each return, where known.
    """

    corners: tuple[Array | None, ...]
    points: Array
    rim: Array = field(default_factory=_nothing)
    rim_steps: Array = field(default_factory=_nothing)
    ring: NDArray[np.int64] | None = None
    intensity: Array | None = None


@dataclass(frozen=True)
class SensorNoise:
    """Standard deviations of single measurements."""

    corner_px: float = 0.2
    """Of a corner, along each axis of the image."""
    range_m: float = 0.02
    """Of a LiDAR return, along its ray."""
    outline_m: float = 0.003
    """Of where a beam of some width ceases to be returned by the plate, beside the share of a step that stays open."""


def corners_seen(corners: Array) -> NDArray[np.bool_]:
    """[N] which of a view's corners [N, 2] are seen: boards with markers may be in view in part."""
    return ~np.isnan(corners).all(-1)


def check_views(views: list[BoardView], corner_count: int, camera_count: int) -> None:
    """Refuse views that cannot be used; SettingsError names the view."""
    for index, view in enumerate(views):
        if len(view.corners) != camera_count or all(seen is None for seen in view.corners):
            raise SettingsError(f"view {index}: expected corners of some of the {camera_count} cameras")
        for seen in view.corners:
            if seen is not None:
                _check_array(index, "corners", seen[corners_seen(seen)], 2)
                if len(seen) != corner_count:
                    raise SettingsError(f"view {index}: the board has {corner_count} corners, got {len(seen)}")
        for name in ("points", "rim", "rim_steps"):
            _check_array(index, name, getattr(view, name), 3)
        if len(view.points) < 3:
            raise SettingsError(f"view {index}: expected at least 3 LiDAR points on the board, got {len(view.points)}")
        if len(view.rim) != len(view.rim_steps):
            raise SettingsError(f"view {index}: {len(view.rim)} rim points have {len(view.rim_steps)} steps")
        for name in ("ring", "intensity"):
            values = getattr(view, name)
            if values is not None and values.shape != (len(view.points),):
                raise SettingsError(f"view {index}: expected {name} [{len(view.points)}], got {list(values.shape)}")


def _check_array(index: int, name: str, values: Array, columns: int) -> None:
    if values.ndim != 2 or values.shape[1] != columns:
        raise SettingsError(f"view {index}: expected {name} [N, {columns}], got {list(values.shape)}")
    if not np.isfinite(values).all():
        raise SettingsError(f"view {index}: {name} contain NaN or infinity")
