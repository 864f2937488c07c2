"""Why frames do not agree on an extrinsic, and which results are not to be trusted."""

import numpy as np

from splatkit.calibration.detection.association import Association, associate
from splatkit.calibration.frames import Frame
from splatkit.calibration.quality.observability import JUDGED_M, CertainPart
from splatkit.calibration.solver.closed_form import board_poses
from splatkit.calibration.solver.solve import Solution
from splatkit.calibration.targets.target import BoardTarget
from splatkit.calibration.views import BoardView
from splatkit.errors import CalibrationRefusedError
from splatkit.geometry.camera import Camera
from splatkit.geometry.se3 import Array, compose, transform_points

LEAST_FRAMES = 3
_LEAST_AGREEING = 0.5  # share of the frames
_CLEAR = 1.5  # votes over those of another answer
_SCALES = np.geomspace(0.4, 2.5, 41)
_SCALE_SIGMAS, _SCALE_OFF = 5.0, 0.02
_PLATE_OFF_M = 0.012  # outline against the ends of scan lines
_LEAST_ENDS = 12
_LEAST_CERTAIN, _ALL_CERTAIN = 0.25, 0.99  # shares of an image: to be of use at all, and to go without saying
_QUARTER_TURN = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])


def check_found(frames: list[Frame]) -> None:
    """Refuse when too few frames show a board to both sensors."""
    both = [frame for frame in frames if frame.candidates and any(seen is not None for seen in frame.corners)]
    if len(both) >= LEAST_FRAMES:
        return
    unseen = [frame.name for frame in frames if all(seen is None for seen in frame.corners)]
    unhit = [frame.name for frame in frames if not frame.candidates]
    causes = []
    if unseen:
        causes.append(
            f"no pattern in the image of {_names(unseen)} (is --board right, which counts inner corners, "
            "one less than squares; is the whole board in view?)"
        )
    if unhit:
        causes.append(f"no board in the scan of {_names(unhit)} (is --board-size right, does it stand free?)")
    raise CalibrationRefusedError(
        f"{len(both)} of {len(frames)} frames show the board to both sensors, {LEAST_FRAMES} are needed: "
        + "; ".join(causes)
    )


def _names(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def check_association(
    found: Association, frames: list[Frame], corners: list[Array], camera: Camera, target: BoardTarget
) -> None:
    """Refuse an extrinsic that the frames do not agree on, with the reason where one can be found.

    Args:
        found: by `associate` on these frames.
        frames: that this camera sees the board in.
        corners: of each, px.
        camera: it.
        target: the board.
    """
    needed = max(LEAST_FRAMES - 1.0, _LEAST_AGREEING * len(frames))
    if found.votes >= needed and found.votes > _CLEAR * found.runner_up:
        return
    said = f"{found.votes:.1f} of {len(frames)} frames agree on one extrinsic ({needed:.1f} are needed"
    said += f", another answer has {found.runner_up:.1f})" if found.runner_up > 0 else ")"
    poses = board_poses(corners, target, camera)
    for reason, votes in _explanations(frames, corners, poses, camera, target):
        if votes >= needed and votes > _CLEAR * max(found.votes, 1.0):
            raise CalibrationRefusedError(f"{said}: {reason}")
    if found.votes >= needed:
        raise CalibrationRefusedError(f"{said}: move the board more from frame to frame, and turn and tilt it more")
    raise CalibrationRefusedError(
        f"{said}: were images and scans taken at the same times, in the same order, and was the rig left unchanged?"
    )


def _explanations(
    frames: list[Frame], corners: list[Array], poses: Array, camera: Camera, target: BoardTarget
) -> list[tuple[str, float]]:
    """What would make the frames agree, and how many then do."""
    out = []
    candidates = [frame.candidates for frame in frames]
    scaled = []
    for scale in _SCALES:
        moved = poses.copy()
        moved[:, :3, 3] *= scale
        answer = associate(candidates, moved, target)
        scaled.append(0.0 if answer is None else answer.votes)
    best = int(np.argmax(scaled))
    size = (
        f"the {target.parts} look {target.square * _SCALES[best] * 1e3:.0f} mm wide, not {target.square * 1e3:.0f} mm"
    )
    out.append((f"{size}; is the size of the {target.parts} in meters?", scaled[best]))
    turned = poses @ compose(_QUARTER_TURN, np.zeros(3))
    answer = associate(candidates, turned, target)
    out.append(
        (
            "columns and rows of the pattern look swapped against the plate's sides",
            0.0 if answer is None else answer.votes,
        )
    )
    mirrored = [np.array([camera.width, 0]) + seen * [-1, 1] for seen in corners]
    flipped = [seen.reshape(target.rows, target.columns, 2)[:, ::-1].reshape(-1, 2) for seen in mirrored]
    answer = associate(candidates, board_poses(flipped, target, camera), target)
    out.append(("the images look mirrored", 0.0 if answer is None else answer.votes))
    for shift in (-1, 1):
        answer = associate([candidates[(k + shift) % len(candidates)] for k in range(len(candidates))], poses, target)
        what = f"scans look one frame {'late' if shift > 0 else 'early'} against the images"
        out.append((what, 0.0 if answer is None else answer.votes))
    return out


def check_certainty(parts: list[CertainPart]) -> list[str]:
    """Refuse a calibration that is good for next to nothing; sentences about those good for a part of the image.

    Args:
        parts: of each camera's image, see `certain_part`.
    """
    out = []
    for index, part in enumerate(parts):
        if part.share < _LEAST_CERTAIN:
            raise CalibrationRefusedError(
                f"a LiDAR point {JUDGED_M:g} m away would be drawn more than {part.limit_px:.0f} px off (one standard "
                f"deviation) in {100 * (1 - part.share):.0f} % of image {index}: show boards near all borders, at "
                "several distances and tilts, or give known --intrinsics"
            )
        if part.share < _ALL_CERTAIN:
            left, top, right, bottom = part.box
            out.append(
                f"the calibration holds in {100 * part.share:.0f} % of image {index} (within x {left} to {right}, y "
                f"{top} to {bottom}): elsewhere a LiDAR point {JUDGED_M:g} m away is drawn more than "
                f"{part.limit_px:.0f} px off (one standard deviation); show boards there too"
            )
    return out


def check_sizes(solution: Solution, views: list[BoardView], centers: Array, target: BoardTarget) -> None:
    """Refuse a board of another size than stated: its pattern by the scale of all its places, its plate by its rims.

    Args:
        solution: with the stated size, and the intrinsics as supplied: freed, they would take a scale in.
        views: that it is of.
        centers: [N, 3] of the plate in each scan, LiDAR frame, m.
        target: the board.
    """
    seen = [index for index, view in enumerate(views) if view.corners[0] is not None]
    corners = [found for view in views if (found := view.corners[0]) is not None]
    camera = board_poses(corners, target, solution.guess.cameras[0])[:, :3, 3]
    lidar = transform_points(solution.T_camera_lidar, centers[seen])
    # Squares that are s times as wide put each board s times as far from the camera. The extrinsic has taken up the
    # mean of that, so the places are compared about their means.
    camera, lidar = camera - camera.mean(0), lidar - lidar.mean(0)
    off = float((camera * lidar).sum() / (camera**2).sum()) - 1
    error = 1.5 * float(np.std(lidar - (1 + off) * camera)) / float(np.sqrt((camera**2).sum()))
    if abs(off) > max(_SCALE_OFF, _SCALE_SIGMAS * error):
        raise CalibrationRefusedError(
            f"the scans put the boards {1 + off:.3f} times as far as the images: the {target.parts} look "
            f"{target.square * (1 + off) * 1e3:.1f} mm wide, not {target.square * 1e3:.1f} mm"
        )
    _check_plate(solution, views, target)


def _check_plate(solution: Solution, views: list[BoardView], target: BoardTarget) -> None:
    """Ends of scan lines should lie on the outline on average, on both pairs of sides."""
    ends = {0: list[float](), 1: list[float]()}
    for index, view in enumerate(views):
        if not len(view.rim):
            continue
        board = solution.guess.T_lidar_board[index]
        rays = view.rim / np.linalg.norm(view.rim, axis=1, keepdims=True)
        hits = (board[:3, 3] @ board[:3, 2] / (rays @ board[:3, 2]))[:, None] * rays
        position = (hits - board[:3, 3]) @ board[:3, :2]
        beyond = np.abs(position) - np.array([target.width, target.height]) / 2
        axis = beyond.argmax(1)
        steps = np.abs(view.rim_steps @ board[:3, :2])
        pick = np.arange(len(axis))
        for side in (0, 1):
            chosen = axis == side
            ends[side] += (beyond[pick, axis] + steps[pick, axis] / 2)[chosen].tolist()
    looks = []
    for side, stated in ((0, target.width), (1, target.height)):
        looks.append(stated + 2 * float(np.median(ends[side])) if len(ends[side]) >= _LEAST_ENDS else stated)
    if max(abs(looks[0] - target.width), abs(looks[1] - target.height)) > 2 * _PLATE_OFF_M:
        raise CalibrationRefusedError(
            f"the plate looks {looks[0]:.3f} x {looks[1]:.3f} m in the scans, not {target.width:.3f} x "
            f"{target.height:.3f} m: measure it again; is the pattern in its middle?"
        )
