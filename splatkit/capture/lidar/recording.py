"""What `capture lidar` takes from the folder of a recording, where no option gives it."""

from dataclasses import replace

from splatkit.capture.lidar.settings import CaptureLidarSettings
from splatkit.capture.recorded import RIG, TIMES, TRAJECTORY, read_recorded
from splatkit.errors import DatasetError, SettingsError
from splatkit.geometry.camera import Camera
from splatkit.io.formats.camera_files import read_intrinsics


def with_recording(settings: CaptureLidarSettings) -> tuple[CaptureLidarSettings, dict[str, Camera]]:
    """Settings that name all files, and the lenses that the recording has, by name of the camera.

    Raises:
        SettingsError: scans or extrinsics are neither given nor in a recording.
        FileNotFoundError, DatasetError: the folder is none of a recording, or damaged.
    """
    if settings.recording is None:
        if settings.scans is None or not settings.calibration:
            raise SettingsError("give --scans and --calibration, or --recording (a folder of `capture recording`)")
        return settings, {}
    recorded = read_recorded(settings.recording)
    topic = settings.topic
    if settings.scans is None:
        if recorded.scan_topic is None:
            raise DatasetError(f"{recorded.recording}: no point clouds in this recording; give --scans")
        topic = topic or recorded.scan_topic
    rig = recorded.file(RIG)
    if not settings.calibration and rig is None:
        raise SettingsError(
            f"{settings.recording}: the recording does not say where the LiDAR sits on the cameras (no fixed tf): give "
            "--calibration"
        )
    without_poses = settings.dataset is None and not settings.images
    filled = replace(
        settings,
        scans=settings.scans or recorded.recording,
        topic=topic,
        calibration=settings.calibration or ((rig,) if rig is not None else ()),
        images=recorded.images() if without_poses else settings.images,
        image_times=settings.image_times or recorded.file(TIMES),
        trajectory=settings.trajectory or (recorded.file(TRAJECTORY) if settings.motion == "auto" else None),
    )
    files = {name: recorded.intrinsics(name) for name in recorded.cameras}
    return filled, {name: read_intrinsics(path) for name, path in files.items() if path is not None}
