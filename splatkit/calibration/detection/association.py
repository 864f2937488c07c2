"""Which of a scan's candidates is the board that the camera sees, without a guess of the extrinsic.

Each candidate, with each half turn that its rectangle leaves open, is a hypothesis of the whole extrinsic, since the
camera knows its own pose of the board. The right one is confirmed by the other frames; what stands in the room cannot
be, because the board moves.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from splatkit.calibration.detection.extraction import BoardCandidate
from splatkit.calibration.targets.target import BoardTarget
from splatkit.geometry.se3 import Array, compose, invert

_NEAR_M, _NEAR_RAD = 0.15, np.radians(6)  # where a vote has lost 60 %
_VOTE = 0.3  # that a candidate needs at least
_OTHER_M, _OTHER_RAD = 0.5, np.radians(15)  # hypotheses further apart than this are different answers
_ROUNDS = 5


@dataclass(frozen=True)
class Association:
    """The hypothesis with the most votes.

    Attributes:
        T_camera_lidar: [4, 4].
        chosen: index of the board among each frame's candidates, None where none agrees.
        turned: whether the pattern's frame is that candidate's after half a turn.
        votes: sum of what frames agree, each in [0, 1].
        runner_up: votes of the best answer that is another.
    """

    T_camera_lidar: Array
    chosen: list[int | None]
    turned: list[bool]
    votes: float
    runner_up: float


def associate(candidates: list[list[BoardCandidate]], T_camera_board: Array, target: BoardTarget) -> Association | None:
    """Vote, then fit to the votes. None where no frame has a candidate.

    Args:
        candidates: of each frame.
        T_camera_board: [N, 4, 4] of the pattern in each frame's image.
        target: the board.
    """
    turns = _half_turns(target)
    hypotheses = [
        pose @ turn @ invert(candidate.T_lidar_board)
        for found, pose in zip(candidates, T_camera_board, strict=True)
        for candidate in found
        for turn in turns
    ]
    if not hypotheses:
        return None
    scores = np.array([_support(T, candidates, T_camera_board).sum() for T in hypotheses])
    T = hypotheses[int(scores.argmax())]
    for _ in range(_ROUNDS):
        chosen = _choose(T, candidates, T_camera_board)
        T = _fit(T, chosen, candidates, T_camera_board, turns)
    support = _support(T, candidates, T_camera_board)
    others = [score for other, score in zip(hypotheses, scores, strict=True) if _differs(T, other)]
    turned = [
        index is not None and _turn(T, candidates[frame][index], T_camera_board[frame], turns) > 0
        for frame, index in enumerate(chosen)
    ]
    return Association(T, chosen, turned, float(support.sum()), max(others, default=0.0))


def _half_turns(target: BoardTarget) -> list[Array]:
    """Turns about z after which plate and pattern cannot be told apart from a rectangle's fit."""
    square = abs(target.width - target.height) < 0.05 * max(target.width, target.height)
    angles = np.arange(4) * np.pi / 2 if square else np.arange(2) * np.pi
    return [compose(Rotation.from_euler("z", angle).as_matrix(), np.zeros(3)) for angle in angles]


def _votes(T: Array, found: list[BoardCandidate], T_camera_board: Array) -> Array:
    """[C] agreement in [0, 1] of a frame's candidates with the pattern."""
    boards = np.stack([T @ candidate.T_lidar_board for candidate in found])
    apart = np.linalg.norm(boards[:, :3, 3] - T_camera_board[:3, 3], axis=1)
    angle = np.arccos(np.clip(boards[:, :3, 2] @ T_camera_board[:3, 2], -1, 1))
    return np.exp(-((apart / _NEAR_M) ** 2) - (angle / _NEAR_RAD) ** 2)


def _support(T: Array, candidates: list[list[BoardCandidate]], T_camera_board: Array) -> Array:
    """[N] best vote of each frame."""
    pairs = zip(candidates, T_camera_board, strict=True)
    return np.array([_votes(T, found, pose).max() if found else 0.0 for found, pose in pairs])


def _choose(T: Array, candidates: list[list[BoardCandidate]], T_camera_board: Array) -> list[int | None]:
    chosen: list[int | None] = []
    for found, pose in zip(candidates, T_camera_board, strict=True):
        votes = _votes(T, found, pose) if found else np.zeros(1)
        chosen.append(int(votes.argmax()) if votes.max() > _VOTE else None)
    return chosen


def _turn(T: Array, candidate: BoardCandidate, T_camera_board: Array, turns: list[Array]) -> int:
    """Number of the turn that brings the candidate's x axis nearest to the pattern's."""
    x = (T @ candidate.T_lidar_board)[:3, :3].T @ T_camera_board[:3, 0]
    return int(np.argmax([turn[:3, 0] @ x for turn in turns]))


def _fit(
    T: Array,
    chosen: list[int | None],
    candidates: list[list[BoardCandidate]],
    T_camera_board: Array,
    turns: list[Array],
) -> Array:
    """Rotation by all axes of the chosen boards, translation by their centers."""
    moment, lidar, camera = np.zeros((3, 3)), [], []
    for frame, index in enumerate(chosen):
        if index is None:
            continue
        board, pose = candidates[frame][index], T_camera_board[frame]
        turned = board.T_lidar_board @ turns[_turn(T, board, pose, turns)]
        moment += pose[:3, :3] @ turned[:3, :3].T
        lidar.append(turned[:3, 3])
        camera.append(pose[:3, 3])
    if not lidar:
        return T
    centers_lidar, centers_camera = np.array(lidar), np.array(camera)
    moment += (centers_camera - centers_camera.mean(0)).T @ (centers_lidar - centers_lidar.mean(0))
    u, _, vt = np.linalg.svd(moment)
    rotation = u @ np.diag([1, 1, np.linalg.det(u @ vt)]) @ vt
    return compose(rotation, np.median(centers_camera - centers_lidar @ rotation.T, axis=0))


def _differs(T: Array, other: Array) -> bool:
    change = invert(T) @ other
    angle = Rotation.from_matrix(change[:3, :3]).magnitude()
    return bool(np.linalg.norm(change[:3, 3]) > _OTHER_M or angle > _OTHER_RAD)
