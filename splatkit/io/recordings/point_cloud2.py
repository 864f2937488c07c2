"""Points of sensor_msgs/PointCloud2."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splatkit.errors import DatasetError

_KINDS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 8: "f8"}  # sensor_msgs/PointField


def decode_points(path: Path, message: Any) -> NDArray[np.void]:
    """The points of a sensor_msgs/PointCloud2 as a structured array [N]; fields keep their names and types.

    Args:
        path: of the recording, for messages.
        message: with fields (name, offset, datatype, count), width, height, point_step, row_step, is_bigendian, data.

    Raises:
        DatasetError: the sizes in the message contradict each other.
    """
    fields = [field for field in message.fields if field.datatype in _KINDS and field.count >= 1]
    order = ">" if message.is_bigendian else "<"
    kinds = [(order + _KINDS[field.datatype], (field.count,) if field.count > 1 else ()) for field in fields]
    used = message.width * message.point_step
    try:
        record = np.dtype(
            {
                "names": [field.name for field in fields],
                "formats": kinds,
                "offsets": [field.offset for field in fields],
                "itemsize": message.point_step,
            }
        )
        content = np.frombuffer(bytes(message.data), np.uint8)
        if message.height == 1:  # drivers differ in what they call a row of one
            return np.ascontiguousarray(content[:used]).view(record)
        rows = content[: message.height * message.row_step].reshape(message.height, message.row_step)
        vertices = np.ascontiguousarray(rows[:, :used]).view(record).reshape(-1)
    except ValueError as error:
        raise DatasetError(f"{path}: a scan is damaged: {error}") from error
    if len(vertices) != message.width * message.height:
        raise DatasetError(f"{path}: a scan is cut short")
    return vertices
