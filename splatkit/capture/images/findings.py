"""What a capture from photographs came to, in words and numbers: for people, for capture.json and for the report."""

from typing import Any

import numpy as np

from splatkit.capture.images.dataset import UprightScene, WrittenImages
from splatkit.capture.images.files import blurred_among
from splatkit.capture.images.gps import GpsAlignment, GpsRefused
from splatkit.capture.images.inputs import GatheredImages
from splatkit.capture.images.rigs.rig import CameraRig
from splatkit.capture.images.scene import Solution
from splatkit.capture.images.solved_scene import SolvedScene
from splatkit.capture.left_out import EXPECTED
from splatkit.capture.stereo.findings import StereoFindings, beyond_format
from splatkit.geometry.camera import PosedCamera

_NAMED = 5  # images that a warning names
_LARGE_ERROR_PX = 1.0
_FEW_REGISTERED = 0.8
_DARK = 16  # of 255: the brightest that 12 bits come to in 16


def verdict(gathered: GatheredImages, solution: Solution, upright: UprightScene, stereo: StereoFindings | None) -> str:
    """One sentence."""
    scene = solution.scene
    text = f"{len(scene.views)} of {len(gathered.files)} photographs placed"
    if gathered.rig is not None:
        text += f" in {len(_frames_of_rig(gathered.rig, scene))} frames of the rig"
    text += f", {len(scene.points)} points"
    if len(scene.errors):
        text += f", mean reprojection error {scene.errors.mean():.2f} px"
    scale: str = upright.scale(gathered)
    if isinstance(upright.gps, GpsAlignment):
        scale = f"metric by GPS, known to {100 * upright.gps.scale_uncertainty:.2g} %"
    return f"{text}; scale {scale}" + ("" if stereo is None else f"; {stereo.verdict()}")


def gps_warnings(gps: GpsAlignment | GpsRefused | None) -> tuple[str, ...]:
    """Positions that were not used, or do not fit."""
    if isinstance(gps, GpsRefused):
        return (str(gps),)
    if gps is None or not gps.disagreeing:
        return ()
    return (f"GPS of {len(gps.disagreeing)} of {len(gps.residuals_m)} photographs contradicts the others: left out",)


def find_warnings(gathered: GatheredImages, solution: Solution) -> tuple[str, ...]:
    """What the user should know, most of it with a cure."""
    scene, total = solution.scene, len(gathered.files)
    out = [*gathered.notes, *(str(group) for group in gathered.left_out if group.reason not in EXPECTED)]
    if solution.lost:
        share = len(scene.views) / total
        cure = "" if share >= _FEW_REGISTERED else ": photograph the gaps between them, overlapping by two thirds"
        out.append(f"{len(solution.lost)} of {total} photographs could not be placed ({_some(solution.lost)}){cure}")
    if solution.other_models:
        groups = " and ".join(str(count) for count in solution.other_models)
        out.append(
            f"groups of {groups} photographs fit together, but not to the others: link them by photographs between"
        )
    if len(scene.errors) and scene.errors.mean() > _LARGE_ERROR_PX:
        error = f"the mean reprojection error is {scene.errors.mean():.2f} px"
        out.append(f"{error}: another --camera-model may fit the lens better")
    if blurred := blurred_among({file.name: file.blur_px for file in gathered.files}):
        out.append(f"{len(blurred)} photographs are much more blurred than the others ({_some(blurred)})")
    if several := [file.name for file in gathered.files if file.images_inside > 1]:
        out.append(f"{len(several)} files hold several images, of which the primary one is used ({_some(several)})")
    if (brightest := max(file.brightest for file in gathered.files)) <= _DARK:
        out.append(
            f"no photograph is brighter than {brightest} of 255: where 12 or 14 bits lie in files of 16, multiply them "
            "by 16 or 4"
        )
    if len(scene.points) == 0:
        out.append("there are no points: splats start at random places")
    return tuple(out)


def depth_warnings(written: WrittenImages) -> tuple[str, ...]:
    """The same about depths that were written."""
    if written.stereo is not None:
        return written.stereo.warnings()
    left_out = written.dataset.depths_left_out
    return (beyond_format(left_out, written.dataset.transforms.depth_unit),) if left_out else ()


def figures(
    gathered: GatheredImages, solution: Solution, upright: UprightScene, stereo: StereoFindings | None
) -> dict[str, Any]:
    """What capture.json says of the result."""
    scene = solution.scene
    record: dict[str, Any] = {
        "photographs": len(gathered.files),
        "registered": len(scene.views),
        "not_registered": [{"name": name, "most_matches": count} for name, count in solution.lost.items()],
        "other_models": list(solution.other_models),
        "matched_pairs": solution.pairs,
        "left_out": _left_out(gathered),
        "points": len(scene.points),
        "blur_px": {file.name: finite_blur(file.blur_px) for file in gathered.files},
    }
    if gathered.rig is not None:
        record["rig"] = _rig_figures(gathered.rig, scene)
    if upright.gps is not None:
        record["gps"] = upright.gps.figures()
    if stereo is not None:
        record["stereo"] = stereo.figures()
    if len(scene.errors):
        record |= {
            "observations": len(scene.errors),
            "mean_reprojection_px": float(scene.errors.mean()),
            "mean_track_length": float(scene.view_counts.mean()),
            "reprojection_px": {view.name: float(view.errors.mean()) for view in scene.views if len(view.errors)},
        }
    return record


def _frames_of_rig(rig: CameraRig, scene: SolvedScene) -> dict[str, dict[str, PosedCamera]]:
    """Cameras that are placed, by frame and by name."""
    frames: dict[str, dict[str, PosedCamera]] = {}
    for view in scene.views:
        if (mount := rig.mounts.get(view.name)) is not None:
            frames.setdefault(mount.frame, {})[mount.camera] = view.posed
    return frames


def _rig_figures(rig: CameraRig, scene: SolvedScene) -> dict[str, Any]:
    """How many frames are placed, and how each camera lies to the first, in lengths of the dataset."""
    frames, first = _frames_of_rig(rig, scene), rig.cameras[0].name
    poses = {}
    for camera in rig.cameras:
        both = next((frame for frame in frames.values() if first in frame and camera.name in frame), None)
        relative = None if both is None else both[camera.name].T_camera_world @ both[first].T_world_camera
        poses[camera.name] = None if relative is None else relative.tolist()
    stated = len({mount.frame for mount in rig.mounts.values()})
    return {"frames": stated, "frames_placed": len(frames), "T_camera_rig": poses}


def _left_out(gathered: GatheredImages) -> dict[str, list[str]]:
    """Files by the reason why they are not used."""
    out: dict[str, list[str]] = {}
    for group in gathered.left_out:
        out.setdefault(group.reason, []).extend(group.names)
    return {reason: names for reason, names in out.items() if names}


def finite_blur(value: float) -> float:
    """Blur of an image that shows nothing is infinite, which JSON and plots do not know."""
    return value if np.isfinite(value) else 99.0


def _some(names: Any) -> str:
    listed = list(names)
    return ", ".join(listed[:_NAMED]) + (", ..." if len(listed) > _NAMED else "")
