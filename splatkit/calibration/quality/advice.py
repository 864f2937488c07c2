"""Where to hold the board next."""

from dataclasses import dataclass

import numpy as np

from splatkit.calibration.quality.simulation import Rig, draw_views
from splatkit.calibration.solver.parameters import Parameters
from splatkit.calibration.solver.problem import information
from splatkit.calibration.solver.solve import ALL_KINDS, make_problem
from splatkit.calibration.targets.target import BoardTarget
from splatkit.geometry.se3 import Array, invert

_TRIED = 120
_PLACES = (("left", "middle", "right"), ("upper", "middle", "lower"))


@dataclass(frozen=True)
class PoseAdvice:
    """A pose of the board that would help.

    Attributes:
        T_camera_board: [4, 4].
        words: where that is.
        rotation_deg: deviation of the rotation afterwards, all axes together.
        translation_m: of the translation.
    """

    T_camera_board: Array
    words: str
    rotation_deg: float
    translation_m: float


def advise(rig: Rig, target: BoardTarget, covariance: Array | None, count: int, seed: int = 0) -> list[PoseAdvice]:
    """Poses that add most to what is known, one after the other (greedy, largest determinant of the information).

    Args:
        rig: with the extrinsic as far as it is known.
        target: the board.
        covariance: [6, 6] of the extrinsic so far; None where nothing is known but that it is near the rig's.
        count: poses.
        seed: of the poses that are tried.
    """
    rng = np.random.default_rng(seed)
    views, poses = draw_views(rig, target, _TRIED, rng)
    gains = []
    for view, pose in zip(views, poses, strict=True):
        problem = make_problem([view], target, (rig.camera,), rig.noise)
        board = (invert(rig.T_camera_lidar) @ pose)[None]
        truth = Parameters(rig.T_camera_lidar[None], board, (rig.camera,), np.zeros(0))
        gains.append(information(problem.blocks(truth, ALL_KINDS), 6))
    vague = np.diag([0.1] * 3 + [0.2] * 3) ** 2
    known = np.linalg.inv(vague if covariance is None else covariance)
    out = []
    for _ in range(count):
        best = int(np.argmax([np.linalg.slogdet(known + gain)[1] for gain in gains]))
        known = known + gains[best]
        left = np.linalg.inv(known)
        out.append(
            PoseAdvice(
                poses[best],
                _words(rig, poses[best]),
                float(np.degrees(np.sqrt(np.trace(left[:3, :3])))),
                float(np.sqrt(np.trace(left[3:, 3:]))),
            )
        )
    return out


def _words(rig: Rig, T_camera_board: Array) -> str:
    center = rig.camera.image(T_camera_board[None, :3, 3])[0] / [rig.camera.width, rig.camera.height]
    across, down = (names[int(np.clip(3 * value, 0, 2))] for names, value in zip(_PLACES, center, strict=True))
    place = "middle" if across == down == "middle" else f"{down} {across}"
    normal = T_camera_board[:3, 2]
    yaw, pitch = np.degrees(np.arctan2(normal[0], normal[2])), np.degrees(np.arcsin(normal[1]))
    turns = [f"turned {abs(yaw):.0f} degrees to the {'right' if yaw > 0 else 'left'}"] if abs(yaw) > 5 else []
    turns += [f"tilted {abs(pitch):.0f} degrees {'down' if pitch > 0 else 'up'}"] if abs(pitch) > 5 else []
    facing = " and ".join(turns) or "facing the camera"
    return f"{np.linalg.norm(T_camera_board[:3, 3]):.1f} m away, in the {place} of the image, {facing}, on one corner"
