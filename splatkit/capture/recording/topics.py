"""Which topics of a recording are read, and what the cameras behind them are called."""

from dataclasses import dataclass

from splatkit.errors import DatasetError
from splatkit.io.recordings import camera_info, frames, images, poses
from splatkit.io.recordings.recording import Recording, Topic
from splatkit.io.scans.bags import SCAN_KINDS, choose_scan_topic
from splatkit.io.scans.reader import LeftOut

# Last parts of the names of topics that tell what an image is, not which camera's.
_OF_IMAGES = (
    *("image", "image_raw", "image_color", "image_mono", "image_rect", "image_rect_color", "image_rect_raw"),
    *("raw", "compressed", "rgb", "color"),
)
_LONE = "camera"
_USES = {
    **dict.fromkeys(images.KINDS, "photographs"),
    **dict.fromkeys(SCAN_KINDS, "scans"),
    **dict.fromkeys(poses.KINDS, "may be the trajectory: --trajectory"),
    **dict.fromkeys(frames.KINDS, "extrinsics, where they are fixed"),
    camera_info.KIND: "intrinsics",
    "foxglove_msgs/CompressedVideo": "compressed video, not read",
    "ffmpeg_image_transport_msgs/FFMPEGPacket": "compressed video, not read",
    "sensor_msgs/Imu": "not read: odometry needs the scans alone",
}


@dataclass(frozen=True)
class CameraTopic:
    """A camera by the topic of its photographs."""

    name: str  # of its folder
    topic: Topic
    info: Topic | None  # of its intrinsics

    @property
    def is_rectified(self) -> bool:
        """Whether the driver rectified its photographs."""
        return "rect" in self.topic.name.rsplit("/image", 1)[-1]


@dataclass(frozen=True)
class ChosenTopics:
    """What is read."""

    cameras: tuple[CameraTopic, ...]
    scans: Topic | None
    trajectory: Topic | None
    left_out: tuple[LeftOut, ...]


def use_of(topic: Topic) -> str:
    """What a topic's messages are read for, in a few words."""
    return _USES.get(topic.kind, "not read")


def choose_topics(
    recording: Recording, image_names: tuple[str, ...], scans: str | None, trajectory: str | None
) -> ChosenTopics:
    """The topics that are asked for; by default all of photographs, and the only one of scans.

    Raises:
        DatasetError: a topic is not there, or of another kind, or there are several of scans; says what there is.
    """
    known = {topic.name: topic for topic in recording.topics()}
    photographed = [_named(recording, name, images.KINDS, "photographs") for name in image_names]
    cameras, left_out = _cameras(photographed or recording.topics(images.KINDS), known, bool(photographed), recording)
    has_scans = scans is not None or bool(recording.topics(SCAN_KINDS))
    chosen_scans = choose_scan_topic(recording, scans) if has_scans else None
    path = None if trajectory is None else _named(recording, trajectory, poses.KINDS, "poses")
    used = {chosen_scans, path, *(camera.topic for camera in cameras), *(camera.info for camera in cameras)}
    told = {item.name for item in left_out}
    for topic in recording.topics():
        if topic not in used and topic.name not in told and topic.kind not in frames.KINDS:
            left_out.append(LeftOut(topic.name, f"{topic}: {use_of(topic)}"))
    return ChosenTopics(tuple(cameras), chosen_scans, path, tuple(left_out))


def _named(recording: Recording, name: str, kinds: tuple[str, ...], what: str) -> Topic:
    found = {topic.name: topic for topic in recording.topics(kinds)}
    if name not in found:
        raise DatasetError(
            f"{recording.path}: {name} is no topic of {what}; there are {', '.join(found) or 'none of them'}"
        )
    return found[name]


def _cameras(
    topics: list[Topic], known: dict[str, Topic], are_named: bool, recording: Recording
) -> tuple[list[CameraTopic], list[LeftOut]]:
    """A camera for each name; where several topics show the same, the raw one before rectified and compressed ones."""
    by_name: dict[str, list[CameraTopic]] = {}
    for topic in topics:
        camera = CameraTopic(camera_name(topic.name), topic, known.get(_info_name(topic.name)))
        by_name.setdefault(camera.name, []).append(camera)
    cameras, left_out = list[CameraTopic](), list[LeftOut]()
    for name, found in by_name.items():
        if are_named and len(found) > 1:
            both = " and ".join(camera.topic.name for camera in found)
            raise DatasetError(f"{recording.path}: {both} are of one camera ({name}); name one of them")
        found.sort(key=lambda camera: (camera.is_rectified, camera.topic.name.endswith("compressed")))
        cameras.append(found[0])
        left_out += [LeftOut(other.topic.name, f"shows what {found[0].topic.name} shows") for other in found[1:]]
    return cameras, left_out


def camera_name(topic: str) -> str:
    """As "front_left" of "/front_left/image_raw/compressed"; a name that is a word in paths."""
    parts = [part for part in topic.split("/") if part]
    while len(parts) > 1 and parts[-1].lower() in _OF_IMAGES:
        parts.pop()
    if parts and parts[-1].lower() in _OF_IMAGES:
        return _LONE
    return "_".join(parts)


def _info_name(topic: str) -> str:
    """Beside the photographs, as image_transport has it."""
    return topic.removesuffix("/compressed").rsplit("/", 1)[0] + "/camera_info"
