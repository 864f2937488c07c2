"""A synthetic walk as the recording of a handheld scanner: CustomMsg, CompressedImage, CameraInfo, Imu and tf.

Messages are written by rosbags, with Livox' definitions; stamps are seconds since 1970, and each message is received a
little after them, as on a real machine.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from splatkit.geometry.camera import Camera
from splatkit.geometry.se3 import invert
from splatkit.io.formats.trajectories import read_trajectory
from splatkit.io.images import encode_image, read_image
from splatkit.io.point_clouds import read_point_cloud
from splatkit.io.recordings.livox import DEFINITIONS
from splatkit.io.transforms_json import read_transforms

EPOCH_S = 1_700_000_000
LIDAR_FRAME = "livox_frame"
_LIVOX = "livox_ros_driver2/msg/CustomMsg"
_IMU_RATE_S = 0.005
_GRAVITY = np.array([0.0, 0.0, 9.81])
_TRAVEL_S = {"scan": 0.104, "image": 0.02, "other": 0.001}  # from a stamp to the recorder


@dataclass(frozen=True)
class _Out:
    """One message to write."""

    received_s: float
    topic: str
    kind: str
    content: Callable[[], Any]  # made when it is written: the points of all scans at once would fill the memory


def write_recording(walk: Path, out: Path, with_tf: bool = True) -> Path:
    """Write the photographs and scans of a walk as a ROS 2 bag in MCAP.

    Args:
        walk: folder of `splatkit scene courtyard`.
        out: folder to make.
        with_tf: whether extrinsics are in it.

    Returns:
        The .mcap file.
    """
    from rosbags.rosbag2 import StoragePlugin, Writer
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    store = get_typestore(Stores.ROS2_HUMBLE)
    for name, text in DEFINITIONS.items():
        store.register(get_types_from_msg(text, name))
    maker = _Maker(store.types, walk)
    messages = [*maker.photographs(), *maker.scans(), *maker.imu(), *(maker.transforms() if with_tf else ())]
    with Writer(out, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connections = {
            topic: writer.add_connection(topic, kind, typestore=store)
            for topic, kind in sorted({(message.topic, message.kind) for message in messages})
        }
        for message in sorted(messages, key=lambda message: message.received_s):
            at = round(1e9 * message.received_s) + EPOCH_S * 10**9
            writer.write(connections[message.topic], at, store.serialize_cdr(message.content(), message.kind))
    return next(out.glob("*.mcap"))


class _Maker:
    """Makes messages of a walk's files."""

    def __init__(self, types: Any, walk: Path) -> None:
        self._types, self._walk = types, walk
        self._rig = {
            entry["name"]: np.array(entry["T_camera_lidar"])
            for entry in json.loads((walk / "truth/rig.json").read_text())["cameras"]
        }

    def photographs(self) -> Iterator[_Out]:
        """Photographs as JPEG, and the intrinsics beside each."""
        rows = (self._walk / "images.csv").read_text().split("\n")[1:]
        times = {Path(row.split(",")[0]).name: float(row.split(",")[1]) for row in rows if row}
        for frame in read_transforms(self._walk).frames:
            name = frame.image_path.name
            camera, time = name.rsplit("_", 1)[0], times[name]
            received = time + _TRAVEL_S["image"]
            image = partial(self._image, frame.image_path, time, camera)
            yield _Out(received, f"/{camera}/image_raw/compressed", "sensor_msgs/msg/CompressedImage", image)
            info = partial(self._info, frame.camera, time, camera)
            yield _Out(received, f"/{camera}/camera_info", "sensor_msgs/msg/CameraInfo", info)

    def scans(self) -> Iterator[_Out]:
        """Sweeps as Livox' driver sends them."""
        for path in sorted((self._walk / "lidar").glob("*.ply")):
            times = read_point_cloud(path).time
            assert times is not None
            yield _Out(float(times.min()) + _TRAVEL_S["scan"], "/livox/lidar", _LIVOX, partial(self._scan, path))

    def _image(self, path: Path, time: float, camera: str) -> Any:
        data = np.frombuffer(encode_image(read_image(path), ".jpg"), np.uint8)
        return self._types["sensor_msgs/msg/CompressedImage"](self._optical(time, camera), "jpeg", data)

    def _info(self, lens: Camera, time: float, camera: str) -> Any:
        K = lens.K.copy()
        K[:2, 2] -= 0.5  # pixel centers at integers
        return self._types["sensor_msgs/msg/CameraInfo"](
            *(self._optical(time, camera), lens.height, lens.width, "plumb_bob"),
            *(np.zeros(5), K.ravel(), np.eye(3).ravel(), np.pad(K, ((0, 0), (0, 1))).ravel(), 0, 0),
            self._types["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False),
        )

    def _optical(self, time: float, camera: str) -> Any:
        return self._header(time, f"{camera}_optical_frame")

    def _scan(self, path: Path) -> Any:
        cloud = read_point_cloud(path)
        assert cloud.time is not None
        assert cloud.ring is not None
        assert cloud.intensity is not None
        start = float(cloud.time.min())
        columns = (np.round(1e9 * (cloud.time - start)).astype(int), *cloud.points.astype(np.float32).T)
        point = self._types["livox_ros_driver2/msg/CustomPoint"]
        points = [
            point(int(t), float(x), float(y), float(z), int(reflectivity), 0x10, int(ring))
            for t, x, y, z, reflectivity, ring in zip(*columns, cloud.intensity, cloud.ring, strict=True)
        ]
        base, reserved = round(1e9 * start) + EPOCH_S * 10**9, np.zeros(3, np.uint8)
        return self._types[_LIVOX](self._header(start, LIDAR_FRAME), base, len(points), 192, reserved, points)

    def imu(self) -> Iterator[_Out]:
        """Turn rates and accelerations as the motion has them, without noise."""
        path = read_trajectory(self._walk / "truth/trajectory.txt")
        times = np.arange(path.times[0] + 0.1, path.times[-1] - 0.1, _IMU_RATE_S)
        poses = path.at(np.concatenate([times - _IMU_RATE_S, times, times + _IMU_RATE_S])).reshape(3, -1, 4, 4)
        turns = np.swapaxes(poses[0, :, :3, :3], 1, 2) @ poses[2, :, :3, :3]
        rates = Rotation.from_matrix(turns).as_rotvec() / (2 * _IMU_RATE_S)
        bent = (poses[0, :, :3, 3] - 2 * poses[1, :, :3, 3] + poses[2, :, :3, 3]) / _IMU_RATE_S**2
        felt = np.einsum("nji,nj->ni", poses[1, :, :3, :3], bent + _GRAVITY)
        vector, quaternion = self._types["geometry_msgs/msg/Vector3"], self._types["geometry_msgs/msg/Quaternion"]
        unknown = np.zeros(9)
        for time, rate, force in zip(times, rates, felt, strict=True):
            message = partial(
                self._types["sensor_msgs/msg/Imu"],
                *(self._header(float(time), LIDAR_FRAME), quaternion(0.0, 0.0, 0.0, 1.0), unknown),
                *(vector(*map(float, rate)), unknown, vector(*map(float, force)), unknown),
            )
            yield _Out(float(time) + _TRAVEL_S["other"], "/livox/imu", "sensor_msgs/msg/Imu", message)

    def transforms(self) -> Iterator[_Out]:
        """Where the cameras are on the LiDAR, by way of a body."""
        items = [self._transform("body", LIDAR_FRAME, np.eye(4))]
        for name, T_camera_lidar in self._rig.items():
            items.append(self._transform("body", f"{name}_optical_frame", invert(T_camera_lidar)))
        message = partial(self._types["tf2_msgs/msg/TFMessage"], items)
        yield _Out(_TRAVEL_S["other"], "/tf_static", "tf2_msgs/msg/TFMessage", message)

    def _transform(self, parent: str, child: str, T_parent_child: NDArray[np.float64]) -> Any:
        turn = Rotation.from_matrix(T_parent_child[:3, :3]).as_quat()
        return self._types["geometry_msgs/msg/TransformStamped"](
            self._header(0.0, parent),
            child,
            self._types["geometry_msgs/msg/Transform"](
                self._types["geometry_msgs/msg/Vector3"](*map(float, T_parent_child[:3, 3])),
                self._types["geometry_msgs/msg/Quaternion"](*map(float, turn)),
            ),
        )

    def _header(self, time: float, frame: str) -> Any:
        whole = round(1e9 * time) + EPOCH_S * 10**9
        stamp = self._types["builtin_interfaces/msg/Time"](whole // 10**9, whole % 10**9)
        return self._types["std_msgs/msg/Header"](stamp, frame)
