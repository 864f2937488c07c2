"""From frames in memory to a calibration that can be trusted, or to a reason why there is none."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import ConvexHull

from splatkit.calibration.detection.association import associate
from splatkit.calibration.detection.extraction import BoardCandidate
from splatkit.calibration.frames import Frame, view_of
from splatkit.calibration.intrinsics import calibrate_intrinsics
from splatkit.calibration.quality.jackknife import observed_covariance
from splatkit.calibration.quality.observability import certain_part
from splatkit.calibration.quality.refusals import (
    LEAST_FRAMES,
    check_association,
    check_certainty,
    check_found,
    check_sizes,
)
from splatkit.calibration.quality.selection import Selection, select_freedom
from splatkit.calibration.quality.validation import CrossValidation, cross_validate
from splatkit.calibration.solver.closed_form import DegenerateViewsError, board_poses
from splatkit.calibration.solver.parameters import Parameters
from splatkit.calibration.solver.residuals import Kind
from splatkit.calibration.solver.solve import ALL_KINDS, Solution, solve
from splatkit.calibration.targets.target import BoardTarget
from splatkit.calibration.views import BoardView, SensorNoise, corners_seen
from splatkit.errors import CalibrationRefusedError
from splatkit.geometry.camera import Camera
from splatkit.geometry.se3 import Array, invert, transform_points, twist_between
from splatkit.io.formats.camera_files import CameraModel
from splatkit.progress import Progress, no_progress

_OUTLINE_M = 0.006
_LEAST_CORNER_PX, _LEAST_RANGE_M = 0.03, 0.002
_OFF_SIGMAS, _OFF_M = 5.0, 0.03  # by which a view may differ from the others
_FEW_VIEWS = 10
_COVERED = 0.6  # of the image by boards, for intrinsics that are good everywhere
_HALVES = 4
_MOST_FOLDS = 40


@dataclass(frozen=True)
class FrameVerdict:
    """What became of a frame: why it was left out, or empty."""

    name: str
    left_out: str


@dataclass(frozen=True)
class Calibration:
    """A result and what it rests on.

    Attributes:
        solution: extrinsics with covariances, boards, intrinsics, range errors.
        target: the board.
        noise: that single measurements turned out to have.
        frames: those used, in the order of the solution's views.
        boards: chosen candidate of each.
        verdicts: on all frames.
        selection: what was estimated beside the extrinsic.
        leave_one_out: judgments of each view by the solution without it.
        joint_covariances: [6 + P, 6 + P] of each camera's twist and freed intrinsics, as in `Solution`, but with what
            views share beside noise, see `observed_covariance`.
        halves: [H, 2] rotation (deg) and translation (m) between solutions of random halves; empty with few views.
        intrinsics_rms_px: where intrinsics were found from the boards.
        warnings: sentences.
    """

    solution: Solution
    target: BoardTarget
    noise: SensorNoise
    frames: list[Frame]
    boards: list[BoardCandidate]
    verdicts: list[FrameVerdict]
    selection: Selection
    leave_one_out: CrossValidation
    joint_covariances: tuple[Array, ...]
    halves: Array
    intrinsics_rms_px: float | None
    warnings: list[str]

    def covariance(self, camera: int = 0) -> Array:
        """[6, 6] of the twist of a camera's T_camera_lidar, by noise and by how views differ."""
        return self.joint_covariances[camera][:6, :6]

    def over_noise(self, camera: int = 0) -> float:
        """How many times as large its deviations are as noise alone would have them, over all directions together."""
        noise = self.solution.covariances[camera]
        return float(np.sqrt(np.trace(np.linalg.solve(noise, self.covariance(camera))) / 6))


def calibrate_frames(
    frames: list[Frame],
    target: BoardTarget,
    cameras: tuple[Camera, ...] | None = None,
    camera_model: CameraModel = "pinhole",
    kinds: tuple[Kind, ...] = ALL_KINDS,
    progress: Progress = no_progress,
) -> Calibration:
    """Calibrate cameras against a LiDAR from frames in memory; `stage.calibrate` reads them from folders.

    Args:
        frames: moments in which all sensors see the board, at least three, better fifteen to twenty.
        target: the board.
        cameras: intrinsics of each; None finds them from the boards.
        camera_model: of the lenses, where intrinsics are to be found.
        kinds: of residuals; `PLANE_ONLY` is the published formulation.
        progress: shows how far it is.

    Raises:
        CalibrationRefusedError: no result could be trusted; says why and what to add.
        DegenerateViewsError: one of these: the poses of the board do not determine the extrinsic.
    """
    check_found(frames)
    with progress("calibrating", 4) as advance:
        rms = None
        if cameras is None:
            cameras, rms = _intrinsics_from_boards(frames, target, camera_model)
        chosen = _choose_boards(frames, target, cameras)
        advance(1)
        agreed = _agreeing_views(frames, chosen, target, cameras, kinds)
        views, noise, centers = agreed.views, agreed.noise, agreed.centers()
        check_sizes(agreed.solution, views, centers, target)
        advance(1)
        near = agreed.solution.guess
        selection = select_freedom(views, centers, target, cameras, noise, kinds, rms is not None, near)
        solution = solve(views, target, cameras, noise, kinds, selection.freedom)
        advance(1)
        folds = min(len(views), _MOST_FOLDS)
        once = cross_validate(views, centers, target, cameras, noise, selection.freedom, folds, kinds, solution.guess)
        advance(1)
    joint = tuple(observed_covariance(solution, once.solutions, index) for index in range(len(cameras)))
    parts = [certain_part(*pair) for pair in zip(joint, solution.guess.cameras, strict=True)]
    return Calibration(
        solution=solution,
        target=target,
        noise=noise,
        frames=[frames[index] for index in agreed.used],
        boards=agreed.boards,
        verdicts=_verdicts(frames, chosen, agreed.dropped),
        selection=selection,
        leave_one_out=once,
        joint_covariances=joint,
        halves=_halves(views, target, cameras, noise, kinds, selection, solution.guess),
        intrinsics_rms_px=rms,
        warnings=[*_warnings(solution, views, selection, rms), *check_certainty(parts)],
    )


@dataclass(frozen=True)
class _Agreement:
    """Frames whose boards fit together, and the extrinsic that they give alone."""

    used: list[int]  # numbers of the frames
    boards: list[BoardCandidate]
    views: list[BoardView]
    noise: SensorNoise
    solution: Solution
    dropped: dict[int, str]  # by the number of a frame, why it does not fit

    def centers(self) -> Array:
        """[V, 3] of the boards in the LiDAR's frame, m."""
        return np.stack([board.T_lidar_board[:3, 3] for board in self.boards])


def _agreeing_views(
    frames: list[Frame],
    chosen: list[BoardCandidate | None],
    target: BoardTarget,
    cameras: tuple[Camera, ...],
    kinds: tuple[Kind, ...],
) -> _Agreement:
    """Solve, leave out what differs from the others if enough frames remain, solve again; then measure the noise."""
    used = [index for index, board in enumerate(chosen) if board is not None]
    boards = [board for board in chosen if board is not None]
    views = [view_of(frames[index], board) for index, board in zip(used, boards, strict=True)]
    noise = _measured_noise(views, boards, target, cameras)
    solution = solve(views, target, cameras, noise, kinds)
    dropped: dict[int, str] = {}
    bad = _outliers(solution, boards)
    if bad and len(views) - len(bad) >= LEAST_FRAMES:
        dropped = {used[index]: reason for index, reason in bad.items()}
        keep = [index for index in range(len(views)) if index not in bad]
        used, boards = [used[index] for index in keep], [boards[index] for index in keep]
        views = [views[index] for index in keep]
        solution = solve(views, target, cameras, noise, kinds)
    noise = replace(
        noise, corner_px=noise.corner_px * solution.chi["corners"], range_m=noise.range_m * solution.chi["plane"]
    )
    return _Agreement(used, boards, views, noise, solution, dropped)


def _intrinsics_from_boards(
    frames: list[Frame], target: BoardTarget, model: CameraModel
) -> tuple[tuple[Camera, ...], float]:
    cameras, errors = [], []
    for index in range(len(frames[0].corners)):
        seen = [corners for frame in frames if (corners := frame.corners[index]) is not None]
        camera, rms = calibrate_intrinsics(seen, target, frames[0].sizes[index], model)
        cameras.append(camera)
        errors.append(rms)
    return tuple(cameras), max(errors)


def _choose_boards(
    frames: list[Frame], target: BoardTarget, cameras: tuple[Camera, ...]
) -> list[BoardCandidate | None]:
    """The board of each frame, by each camera in turn; None where no candidate agrees or cameras differ."""
    chosen: list[BoardCandidate | None] = [None] * len(frames)
    contested = set[int]()
    for index, camera in enumerate(cameras):
        seen = [number for number, frame in enumerate(frames) if frame.corners[index] is not None and frame.candidates]
        corners = [found for number in seen if (found := frames[number].corners[index]) is not None]
        if len(seen) < LEAST_FRAMES:
            raise CalibrationRefusedError(
                f"camera {index} and the LiDAR both see the board in {len(seen)} frames, {LEAST_FRAMES} are needed"
            )
        group = [frames[number] for number in seen]
        poses = board_poses(corners, target, camera)
        answer = associate([frame.candidates for frame in group], poses, target)
        assert answer is not None  # each of these frames has candidates
        check_association(answer, group, corners, camera, target)
        for number, choice in zip(seen, answer.chosen, strict=True):
            if choice is None:
                continue
            board = frames[number].candidates[choice]
            if chosen[number] is not None and chosen[number] is not board:
                contested.add(number)
            chosen[number] = board
    kept = [None if number in contested else board for number, board in enumerate(chosen)]
    if sum(board is not None for board in kept) < LEAST_FRAMES:
        raise DegenerateViewsError(f"at least {LEAST_FRAMES} frames must agree; add frames")
    return kept


def _measured_noise(
    views: list[BoardView], boards: list[BoardCandidate], target: BoardTarget, cameras: tuple[Camera, ...]
) -> SensorNoise:
    """Of corners against the board's pose in their image, of ranges against their plane."""
    corner_errors = []
    for index, camera in enumerate(cameras):
        seen = [corners for view in views if (corners := view.corners[index]) is not None]
        for corners, pose in zip(seen, board_poses(seen, target, camera), strict=True):
            projected = camera.image(transform_points(pose, target.corners()))
            corner_errors.append(np.sqrt(np.nanmean((projected - corners) ** 2)))
    return SensorNoise(
        corner_px=max(float(np.median(corner_errors)), _LEAST_CORNER_PX),
        range_m=max(float(np.median([board.plane_rms_m for board in boards])), _LEAST_RANGE_M),
        outline_m=_OUTLINE_M,
    )


def _outliers(solution: Solution, boards: list[BoardCandidate]) -> dict[int, str]:
    """Views that differ from the others by far more than those among each other, and in what."""
    planes, corners, centers = [], [], []
    for index, view in enumerate(solution.blocks):
        planes.append(abs(np.median(np.concatenate([block.values for block in view if block.kind == "plane"]))))
        corners.append(np.median(np.abs(np.concatenate([block.values for block in view if block.kind == "corners"]))))
        center = invert(solution.guess.T_lidar_board[index]) @ np.append(boards[index].T_lidar_board[:3, 3], 1)
        centers.append(np.linalg.norm(center[:2]))
    out: dict[int, str] = {}
    for values, least, reason in (
        (planes, 1.0, "its returns do not lie on the plane that the image has"),
        (corners, 1.0, "its corners do not fit a flat board"),
        (centers, _OFF_M, "the plate's outline in the scan does not fit the pattern's place in the image"),
    ):
        middle = float(np.median(values))
        limit = middle + max(_OFF_SIGMAS * 1.4826 * float(np.median(np.abs(np.array(values) - middle))), least)
        out |= {int(index): reason for index in np.flatnonzero(np.array(values) > limit)}
    return out


def _halves(
    views: list[BoardView],
    target: BoardTarget,
    cameras: tuple[Camera, ...],
    noise: SensorNoise,
    kinds: tuple[Kind, ...],
    selection: Selection,
    start: Parameters,
) -> Array:
    """How far solutions of random halves lie apart."""
    if len(views) < _FEW_VIEWS:
        return np.zeros((0, 2))
    out = []
    for seed in range(_HALVES):
        order = np.random.default_rng(seed).permutation(len(views))
        halves = [sorted(order[0::2]), sorted(order[1::2])]
        try:
            first, second = (
                solve(
                    [views[index] for index in half],
                    target,
                    cameras,
                    noise,
                    kinds,
                    selection.freedom,
                    replace(start, T_lidar_board=start.T_lidar_board[half]),
                )
                for half in halves
            )
        except DegenerateViewsError:
            continue
        twist = twist_between(first.T_camera_lidar, second.T_camera_lidar)
        out.append((np.degrees(np.linalg.norm(twist[:3])), np.linalg.norm(twist[3:])))
    return np.array(out).reshape(-1, 2)


def _verdicts(frames: list[Frame], chosen: list[BoardCandidate | None], dropped: dict[int, str]) -> list[FrameVerdict]:
    out = []
    for index, (frame, board) in enumerate(zip(frames, chosen, strict=True)):
        reason = dropped.get(index, "")
        if all(seen is None for seen in frame.corners):
            reason = "the pattern was not found in the image"
        elif not frame.candidates:
            reason = "no board was found in the scan"
        elif board is None:
            reason = "no board in the scan agrees with the other frames"
        out.append(FrameVerdict(frame.name, reason))
    return out


def _warnings(solution: Solution, views: list[BoardView], selection: Selection, rms: float | None) -> list[str]:
    out = []
    if len(views) < _FEW_VIEWS:
        out.append(f"only {len(views)} views were used: 15 to 20 in different places and tilts are good practice")
    if selection.freedom.intrinsics or rms is not None:
        for index, camera in enumerate(solution.guess.cameras):
            share = covered_share(views, index, camera)
            if share < _COVERED:
                out.append(
                    f"boards cover {100 * share:.0f} % of image {index}: the intrinsics found are good there, and the "
                    "extrinsic goes with these intrinsics; show boards near all borders, or give known --intrinsics"
                )
    elif solution.chi["corners"] > 1.5:
        out.append("corners fit worse than they are measured: the intrinsics may be off")
    if not any(len(view.rim) for view in views):
        out.append("scan lines could not be distinguished: calibrated by planes alone")
    return out


def covered_share(views: list[BoardView], camera_index: int, camera: Camera) -> float:
    """Share of an image inside the hull of all corners seen."""
    seen = [corners[corners_seen(corners)] for view in views if (corners := view.corners[camera_index]) is not None]
    return float(ConvexHull(np.concatenate(seen)).volume) / (camera.width * camera.height) if seen else 0.0
