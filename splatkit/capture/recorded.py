"""The folder of a recording: what `capture recording` takes out of it, for whoever makes a dataset of that.

images/CAMERA/TIME.jpg   photographs, named by their times
images.csv               file and time of each, s
cameras/CAMERA.yaml      intrinsics, where the recording has them
rig.json                 T_camera_lidar and intrinsics of each camera, where tf has them
trajectory.txt           T_world_lidar (TUM), where a topic was named
recording.json           the recording, its topic of scans, and what was left out
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from splatkit.errors import DatasetError
from splatkit.io.json_files import read_json, write_json

FORMAT = "splatkit recording 1"
RECORD, TIMES, RIG, TRAJECTORY = "recording.json", "images.csv", "rig.json", "trajectory.txt"
IMAGES, CAMERAS = "images", "cameras"


@dataclass(frozen=True)
class RecordedFolder:
    """A folder of a recording, as far as it is there."""

    folder: Path
    recording: Path  # file or folder
    scan_topic: str | None  # None: it has no scans
    cameras: tuple[str, ...]  # names, as those of folders of images
    figures: Mapping[str, Any] = field(default_factory=dict)  # what people may want to know

    def images(self) -> tuple[Path, ...]:
        """Folders of photographs, one for each camera."""
        return tuple(self.folder / IMAGES / name for name in self.cameras)

    def file(self, name: str) -> Path | None:
        """One of the files above, if it is there."""
        path = self.folder / name
        return path if path.is_file() else None

    def intrinsics(self, camera: str) -> Path | None:
        """The file of a camera's intrinsics, if it is there."""
        return self.file(f"{CAMERAS}/{camera}.yaml")


def write_recorded(recorded: RecordedFolder) -> None:
    """Write the recording.json of a folder."""
    content = {
        "format": FORMAT,
        "recording": str(recorded.recording.resolve()),
        "scan_topic": recorded.scan_topic,
        "cameras": list(recorded.cameras),
        **recorded.figures,
    }
    write_json(recorded.folder / RECORD, content)


def read_recorded(folder: Path) -> RecordedFolder:
    """Read the recording.json of a folder.

    Raises:
        FileNotFoundError: no such file.
        DatasetError: damaged, or of another kind; names the file.
    """
    path = Path(folder) / RECORD
    content = read_json(path)
    topic, cameras = content.get("scan_topic"), content.get("cameras")
    damaged = not isinstance(content.get("recording"), str) or not isinstance(cameras, list)
    if content.get("format") != FORMAT or damaged or not isinstance(topic, str | None):
        raise DatasetError(f"{path}: not written by `splatkit capture recording`, or damaged")
    return RecordedFolder(Path(folder), Path(content["recording"]), topic, tuple(map(str, cameras or ())))
