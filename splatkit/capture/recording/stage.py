"""The stage `capture recording`: one recording to photographs, times, intrinsics, extrinsics and a trajectory."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splatkit.capture.images.frame_selection import DEFAULT_COUNT
from splatkit.capture.recorded import IMAGES, TIMES, TRAJECTORY, RecordedFolder, write_recorded
from splatkit.capture.recording.photographs import WrittenPhotographs, write_photographs
from splatkit.capture.recording.rig import find_extrinsics, frame_warnings, write_intrinsics, write_rig
from splatkit.capture.recording.settings import CaptureRecordingSettings
from splatkit.capture.recording.topics import ChosenTopics, choose_topics, use_of
from splatkit.errors import DatasetError, SettingsError
from splatkit.io.atomic import atomic_directory
from splatkit.io.formats.trajectories import Trajectory, write_trajectory
from splatkit.io.recordings.clocks import lag_s
from splatkit.io.recordings.frames import RigidFrames, frame_name, read_frames
from splatkit.io.recordings.poses import read_poses
from splatkit.io.recordings.recording import Recording, Topic, open_recording
from splatkit.io.scans.bags import first_scan_frame
from splatkit.progress import Progress, no_progress

_ONE_CLOCK_S = 1.0  # lags of topics that differ by less belong to one clock


@dataclass(frozen=True)
class CapturedRecording:
    """What was in a recording."""

    out: Path  # folder
    chosen: ChosenTopics
    photographs: dict[str, WrittenPhotographs]  # by name of the camera
    intrinsics: dict[str, str]  # by name of the camera: why there are none; empty where there are
    extrinsics: dict[str, NDArray[np.float64]]  # T_camera_lidar [4, 4] by name of the camera
    trajectory: Trajectory | None
    warnings: tuple[str, ...]

    def verdict(self) -> str:
        """One sentence."""
        counts = ", ".join(f"{len(found.times)} of {name}" for name, found in self.photographs.items())
        scans = "no scans" if self.chosen.scans is None else f"{self.chosen.scans.count} scans"
        known = [name for name, reason in self.intrinsics.items() if not reason]
        parts = [f"intrinsics of {', '.join(known)}" if known else "no intrinsics"]
        parts.append(f"extrinsics of {', '.join(self.extrinsics)}" if self.extrinsics else "no extrinsics")
        if self.trajectory is not None:
            parts.append(f"{len(self.trajectory.times)} poses")
        return f"photographs: {counts or 'none'}; {scans}; {'; '.join(parts)}"


def list_topics(path: Path) -> list[tuple[Topic, str]]:
    """The topics of a recording, and what each is read for.

    Raises:
        FileNotFoundError, DatasetError: as of `open_recording`.
    """
    with open_recording(path) as recording:
        return [(topic, use_of(topic)) for topic in recording.topics()]


def capture_recording(settings: CaptureRecordingSettings, progress: Progress = no_progress) -> CapturedRecording:
    """Take everything out, one message in memory at a time; write into a temporary folder, then rename it.

    Args:
        settings: see there.
        progress: shows how far it is.

    Raises:
        SettingsError, DatasetError, OSError: something is missing, damaged, or contradicts the rest.
        FileExistsError: `out` exists and may not be overwritten.
    """
    _check(settings)
    with open_recording(settings.recording) as recording, atomic_directory(settings.out, settings.overwrite) as folder:
        chosen = choose_topics(recording, settings.images, settings.scans, settings.trajectory)
        shifts, clock_warnings = _shifts(recording, chosen)
        written = _photographs(settings, recording, chosen, folder, shifts, progress)
        photographs = {name: found for name, found in written.items() if found.times}
        cameras = [camera for camera in chosen.cameras if camera.name in photographs]
        if not cameras and settings.images:
            raise DatasetError(f"{settings.recording}: no photograph of {', '.join(settings.images)} can be read")
        if not cameras and chosen.scans is None:
            found = ", ".join(f"{topic.name} ({topic})" for topic in recording.topics()) or "no topics"
            raise DatasetError(
                f"{settings.recording}: neither photographs nor scans in this recording; there are {found}"
            )
        intrinsics = {
            camera.name: write_intrinsics(recording, camera, photographs[camera.name], folder) for camera in cameras
        }
        frames = read_frames(recording)
        lidar = None if chosen.scans is None else first_scan_frame(recording, chosen.scans)
        extrinsics = find_extrinsics(frames, lidar, photographs)
        write_rig(folder, extrinsics, intrinsics)
        trajectory, lost = _trajectory(recording, chosen, frames, lidar, shifts)
        if trajectory is not None:
            write_trajectory(folder / TRAJECTORY, trajectory)
        warnings = (
            *clock_warnings,
            *_image_warnings(chosen, written),
            *(f"{name}: CameraInfo {reason}" for name, reason in intrinsics.items() if reason),
            *frame_warnings(photographs, extrinsics, lidar),
            *lost,
        )
        captured = CapturedRecording(
            settings.out, chosen, photographs, intrinsics, extrinsics, trajectory, tuple(warnings)
        )
        scans = None if chosen.scans is None else chosen.scans.name
        names = tuple(camera.name for camera in cameras)
        write_recorded(RecordedFolder(folder, settings.recording, scans, names, _figures(captured, shifts)))
    return captured


def _check(settings: CaptureRecordingSettings) -> None:
    if settings.frames is not None and settings.interval is not None:
        raise SettingsError("frames, interval: give one of them")
    if (settings.frames is not None and settings.frames < 1) or (
        settings.interval is not None and not settings.interval > 0
    ):
        raise SettingsError("frames, interval: expected a positive number")


def _shifts(recording: Recording, chosen: ChosenTopics) -> tuple[dict[str, float], list[str]]:
    """What stamps of each topic need to be by the clock of the scans, s, and what to say of it.

    Only where clocks are far apart: how long messages travel is milliseconds, and not known.
    """
    topics = [*(camera.topic for camera in chosen.cameras), *([chosen.trajectory] if chosen.trajectory else [])]
    reference = chosen.scans or (topics[0] if topics else None)
    if reference is None:
        return {}, []
    own, shifts, warnings = lag_s(recording, reference.name), dict[str, float](), list[str]()
    for topic in topics:
        apart = lag_s(recording, topic.name) - own
        shifts[topic.name] = apart if abs(apart) > _ONE_CLOCK_S else 0.0
        if shifts[topic.name]:
            warnings.append(
                f"{topic.name} goes by another clock than {reference.name}: {apart:+.3f} s were added to its stamps, "
                "by when messages were received, which is right to tenths of a second"
            )
    return shifts, warnings


def _photographs(
    settings: CaptureRecordingSettings,
    recording: Recording,
    chosen: ChosenTopics,
    folder: Path,
    shifts: dict[str, float],
    progress: Progress,
) -> dict[str, WrittenPhotographs]:
    """Write the photographs of each camera, and their table of times."""
    start_s, end_s = recording.span_s()
    each = max((settings.frames or DEFAULT_COUNT) // max(len(chosen.cameras), 1), 1)
    found, rows = dict[str, WrittenPhotographs](), ["file,time_s"]
    with progress("choosing photographs", sum(camera.topic.count for camera in chosen.cameras)) as advance:
        for camera in chosen.cameras:
            windows = min(each, max(camera.topic.count, 1))
            length_s = settings.interval or max(end_s - start_s, 1e-3) / windows
            path = folder / IMAGES / camera.name
            path.mkdir(parents=True)
            written = write_photographs(
                recording, camera, path, (start_s, length_s), shifts[camera.topic.name], advance
            )
            found[camera.name] = written
            if not written.times:
                path.rmdir()
            rows += [f"{IMAGES}/{camera.name}/{name},{time:.6f}" for name, time in written.times.items()]
    (folder / TIMES).write_text("\n".join(rows) + "\n", encoding="utf-8")
    return found


def _trajectory(
    recording: Recording, chosen: ChosenTopics, frames: RigidFrames, lidar: str | None, shifts: dict[str, float]
) -> tuple[Trajectory | None, list[str]]:
    """The trajectory that was asked for, and what to say of it."""
    if chosen.trajectory is None:
        return None, []
    found, lost, body = read_poses(recording, chosen.trajectory, frames, lidar or "")
    shifted = Trajectory(found.times + shifts[chosen.trajectory.name], found.poses)
    warnings = [f"{lost} poses of {chosen.trajectory.name} are damaged or repeat a timestamp"] if lost else []
    if not body or body == frame_name(lidar or ""):
        return shifted, warnings
    return shifted, [*warnings, f"{chosen.trajectory.name}: poses of {body} were brought to {lidar} by tf"]


def _image_warnings(chosen: ChosenTopics, photographs: dict[str, WrittenPhotographs]) -> list[str]:
    out = []
    for camera in chosen.cameras:
        written = photographs[camera.name]
        for reason, count in written.unreadable.items():
            out.append(
                f"{count} of {written.examined} messages of {camera.topic.name} are left out, the first {reason}"
            )
    return out


def _figures(captured: CapturedRecording, shifts: dict[str, float]) -> dict[str, Any]:
    return {
        "photographs": {
            name: {"kept": len(found.times), "examined": found.examined, "frame": found.frame, **found.unreadable}
            for name, found in captured.photographs.items()
        },
        "added_to_stamps_s": shifts,
        "left_out": {item.name: item.reason for item in captured.chosen.left_out},
        "warnings": list(captured.warnings),
    }
