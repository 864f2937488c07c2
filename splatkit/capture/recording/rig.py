"""The rig of a recording: intrinsics of CameraInfo, extrinsics of tf."""

from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from splatkit.capture.recorded import CAMERAS, RIG
from splatkit.capture.recording.photographs import WrittenPhotographs
from splatkit.capture.recording.topics import CameraTopic
from splatkit.errors import DatasetError
from splatkit.io.formats.calibration_json import camera_entry
from splatkit.io.formats.camera_files import read_intrinsics
from splatkit.io.json_files import write_json
from splatkit.io.recordings.camera_info import intrinsics_of
from splatkit.io.recordings.frames import RigidFrames
from splatkit.io.recordings.recording import Recording

_OPTICAL = "optical"  # in the name of a frame: x right, y down, z forward (REP 103)


def write_intrinsics(recording: Recording, camera: CameraTopic, photographs: WrittenPhotographs, folder: Path) -> str:
    """Write a camera's intrinsics; says why there are none, else nothing."""
    if camera.info is None:
        return "is missing beside its photographs: the lens will be estimated"
    found: list[dict[str, Any]] = []
    for message in recording.messages([camera.info.name]):
        intrinsics = intrinsics_of(message.content(), photographs.size, camera.is_rectified)
        if isinstance(intrinsics, str):
            return intrinsics
        if not found or intrinsics != found[-1]:
            found.append(intrinsics)
        if len(found) > 1:
            return "changes during the recording: was the lens zoomed or focused?"
    if not found:
        return "holds no message"
    path = folder / CAMERAS / f"{camera.name}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(found[0]), encoding="utf-8")
    try:
        read_intrinsics(path)
    except DatasetError as error:
        path.unlink()
        return f"is of another form ({str(error).split(': ', 1)[-1]})"
    return ""


def find_extrinsics(
    frames: RigidFrames, lidar: str | None, photographs: dict[str, WrittenPhotographs]
) -> dict[str, NDArray[np.float64]]:
    """T_camera_lidar [4, 4] of the cameras that fixed transforms lead to."""
    if not lidar:
        return {}
    found = {name: frames.find(written.frame, lidar) for name, written in photographs.items() if written.frame}
    return {name: T for name, T in found.items() if T is not None}


def write_rig(folder: Path, extrinsics: dict[str, NDArray[np.float64]], intrinsics: dict[str, str]) -> None:
    """Write the rig.json of the cameras whose extrinsics are known, with their intrinsics where these are."""
    if not extrinsics:
        return
    entries = []
    for name, T in extrinsics.items():
        known = intrinsics[name] == ""
        lens = camera_entry(read_intrinsics(folder / CAMERAS / f"{name}.yaml")) if known else {}
        entries.append({"name": name, "T_camera_lidar": T.tolist(), **lens})
    write_json(folder / RIG, {"cameras": entries})


def frame_warnings(
    photographs: dict[str, WrittenPhotographs], extrinsics: dict[str, NDArray[np.float64]], lidar: str | None
) -> list[str]:
    """Sentences on frames that tf does not know, or whose axes are not sure."""
    out = []
    for name, written in photographs.items():
        if name in extrinsics and _OPTICAL not in written.frame:
            out.append(
                f"{name}: its frame {written.frame} is taken for an optical one (x right, y down, z forward), though "
                "its name does not say so; check it in the report of `capture lidar`"
            )
    missing = [name for name in photographs if name not in extrinsics]
    if lidar is not None and missing:
        out.append(
            f"no fixed tf leads from the LiDAR ({lidar or 'without a name'}) to {', '.join(missing)}: give "
            "--calibration to `capture lidar`; `calibrate walk` finds one"
        )
    return out
