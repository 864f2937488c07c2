"""Intrinsics of sensor_msgs/CameraInfo, as files of intrinsics have them.

Source: the comments of sensor_msgs/CameraInfo.msg: K and D belong to the raw image, P to the rectified one; both to the
full resolution, of which a region of interest may be read out, and binned.
"""

from typing import Any

import numpy as np

KIND = "sensor_msgs/CameraInfo"


def intrinsics_of(content: Any, size: tuple[int, int], is_rectified: bool) -> dict[str, Any] | str:
    """K, D, distortion_model, width and height of a camera; text says why there are none.

    Args:
        content: fields of the message, of ROS 1 or 2.
        size: width and height of the camera's photographs, px.
        is_rectified: whether they were rectified by the driver.
    """
    K = _numbers(content, "K", "k").reshape(3, 3)
    distortion = _numbers(content, "D", "d")
    model = str(content.distortion_model)
    if is_rectified:
        K, distortion, model = _numbers(content, "P", "p").reshape(3, 4)[:, :3], np.zeros(0), "plumb_bob"
    if not (K[0, 0] > 0 and K[1, 1] > 0):
        return "says that the camera is not calibrated"
    binning = max(int(content.binning_x), 1), max(int(content.binning_y), 1)
    roi = content.roi
    seen = (int(roi.width) or int(content.width), int(roi.height) or int(content.height))
    binned = seen[0] // binning[0], seen[1] // binning[1]
    if binned != size:
        return f"is of {binned[0]}x{binned[1]} px, the photographs have {size[0]}x{size[1]} px"
    out = K.copy()
    # Pixel centers are at integers: the first of `b` binned ones has its center (b - 1) / 2 after the first.
    for axis, (offset, b) in enumerate(zip((roi.x_offset, roi.y_offset), binning, strict=True)):
        out[axis, axis] = K[axis, axis] / b
        out[axis, 2] = (K[axis, 2] - int(offset) - (b - 1) / 2) / b
    return {
        "width": size[0],
        "height": size[1],
        "distortion_model": model,
        "K": [float(value) for value in out.ravel()],
        "D": [float(value) for value in distortion],
    }


def _numbers(content: Any, *names: str) -> np.ndarray:
    """ROS 1 writes K, ROS 2 k."""
    return np.asarray(next(getattr(content, name) for name in names if hasattr(content, name)), np.float64)
