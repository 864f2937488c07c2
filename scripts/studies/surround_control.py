"""The control of the study of cameras around a vehicle: random search on gray differences of overlapping ground.

Written from what OpenCalib's paper says of its surround-view calibration (arXiv 2205.14087, section on surround-camera
calibration): the front camera stays; left, right and back follow one after the other; each is turned and moved at
random within ranges that shrink, and kept where the gray values of the common ground differ less.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from splatkit.calibration.surround.ground import look_down, pyramid
from splatkit.calibration.surround.matching import CommonGround, SeenGround
from splatkit.calibration.surround.moments import Moment
from splatkit.calibration.surround.rig import SurroundRig

_CELL_M, _COARSEST_M, _REACH_M = 0.04, 0.10, 6.0
_SHRINKS = (2.0, 0.7, 0.2)  # half ranges of the search, in standard deviations of the disturbance
_TRIES = 250  # of each camera in each range

Pyramid = list[NDArray[np.float32]]


def search_at_random(
    nominal: SurroundRig, moments: list[Moment], rotation_deg: float, translation_m: float, seed: int
) -> SurroundRig:
    """Where cameras are, the first of which is known.

    Args:
        nominal: where they are stated to be; front, left, back and right, in any order but for the first.
        moments: photographs; the vehicle is taken to stand upright in all of them.
        rotation_deg: standard deviation of what is stated, about each axis.
        translation_m: the same of positions.
        seed: of the search.
    """
    rng, poses = np.random.default_rng(seed), nominal.T_vehicle_camera.copy()
    photographs = [[pyramid(gray) for gray in moment.grays] for moment in moments]
    seen = SeenGround(nominal.cameras, nominal.T_vehicle_camera, _REACH_M)
    placed = [0]
    while len(placed) < len(nominal.names):
        camera, grounds = _next_camera(seen, placed, len(nominal.names))
        still = {
            other: [look_down(own[other], nominal.cameras[other], poses[other], ground.grid) for own in photographs]
            for other, ground in grounds.items()
        }
        best, least = poses[camera], np.inf
        for share in _SHRINKS:
            for tried in (best, *(_shaken(best, share, rotation_deg, translation_m, rng) for _ in range(_TRIES))):
                loss = _loss(nominal, photographs, camera, tried, grounds, still)
                if loss < least:
                    best, least = tried, loss
        poses[camera] = best
        placed.append(camera)
    return replace(nominal, T_vehicle_camera=poses)


def _next_camera(seen: SeenGround, placed: list[int], cameras: int) -> tuple[int, dict[int, CommonGround]]:
    """The camera that shares most of the ground with those that are placed, and what it shares with each."""
    found = {}
    for camera in set(range(cameras)) - set(placed):
        common = {other: seen.common(camera, other, _CELL_M, _COARSEST_M) for other in placed}
        found[camera] = {other: ground for other, ground in common.items() if ground is not None}
    most = max(found, key=lambda camera: sum(int(ground.mask.sum()) for ground in found[camera].values()))
    return most, found[most]


def _shaken(
    T: NDArray[np.float64], share: float, rotation_deg: float, translation_m: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    out = T.copy()
    turn = np.deg2rad(share * rotation_deg) * rng.uniform(-1, 1, 3)
    out[:3, :3] = Rotation.from_rotvec(turn).as_matrix() @ T[:3, :3]
    out[:3, 3] += share * translation_m * rng.uniform(-1, 1, 3)
    return out


def _loss(
    rig: SurroundRig,
    photographs: list[list[Pyramid]],
    camera: int,
    T: NDArray[np.float64],
    grounds: dict[int, CommonGround],
    still: dict[int, list[NDArray[np.float32]]],
) -> float:
    """Mean difference of gray values, after one factor for each pair of photographs."""
    losses = []
    for other, ground in grounds.items():
        for own, image in zip(photographs, still[other], strict=True):
            shown = look_down(own[camera], rig.cameras[camera], T, ground.grid)[ground.mask]
            losses.append(np.abs(shown * (image[ground.mask].mean() / shown.mean()) - image[ground.mask]).mean())
    return float(np.mean(losses))
