"""Photographs of sensor_msgs/Image and CompressedImage.

Names of encodings: sensor_msgs/image_encodings.h. Bayer patterns are named by the first two pixels of the first rows,
OpenCV names them by the second ones.
"""

import io
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

KINDS = ("sensor_msgs/Image", "sensor_msgs/CompressedImage")
# Encoding: type of a number, numbers a pixel, and what makes BGR of them.
_ENCODINGS: dict[str, tuple[str, int, int | None]] = {
    "rgb8": ("u1", 3, cv2.COLOR_RGB2BGR),
    "bgr8": ("u1", 3, None),
    "8UC3": ("u1", 3, None),
    "rgba8": ("u1", 4, cv2.COLOR_RGBA2BGR),
    "bgra8": ("u1", 4, cv2.COLOR_BGRA2BGR),
    "mono8": ("u1", 1, None),
    "8UC1": ("u1", 1, None),
    "mono16": ("u2", 1, None),
    "rgb16": ("u2", 3, cv2.COLOR_RGB2BGR),
    "bgr16": ("u2", 3, None),
    "bayer_rggb8": ("u1", 1, cv2.COLOR_BayerBG2BGR),
    "bayer_bggr8": ("u1", 1, cv2.COLOR_BayerRG2BGR),
    "bayer_gbrg8": ("u1", 1, cv2.COLOR_BayerGR2BGR),
    "bayer_grbg8": ("u1", 1, cv2.COLOR_BayerGB2BGR),
    "yuv422": ("u1", 2, cv2.COLOR_YUV2BGR_UYVY),
    "uyvy": ("u1", 2, cv2.COLOR_YUV2BGR_UYVY),
    "yuv422_yuy2": ("u1", 2, cv2.COLOR_YUV2BGR_YUY2),
    "yuyv": ("u1", 2, cv2.COLOR_YUV2BGR_YUY2),
}
_KEPT = {"JPEG": ".jpg", "PNG": ".png"}  # whose bytes are files as they are


class UnreadableImageError(Exception):
    """A message without a photograph that is read; its message says why, in half a sentence."""


@dataclass(frozen=True, eq=False)
class Picture:
    """A photograph out of a message."""

    file: bytes  # encoded
    suffix: str  # of a file of it
    gray: NDArray[np.uint8]  # [H, W]


def read_picture(kind: str, content: Any) -> Picture:
    """The photograph of a message; compressed ones stay as they are, others become PNG.

    Args:
        kind: type of the message, one of `KINDS`.
        content: its fields.

    Raises:
        UnreadableImageError: of an encoding that holds no photograph (depths), or damaged.
    """
    if kind == "sensor_msgs/CompressedImage":
        return _compressed(bytes(content.data), str(content.format))
    pixels = _decoded(content)
    return _as_png(pixels)


def _compressed(data: bytes, stated: str) -> Picture:
    if "compressedDepth" in stated:
        raise UnreadableImageError("holds depths")
    try:
        with Image.open(io.BytesIO(data)) as image:
            kind = image.format or ""
            gray = np.asarray(image.convert("L"))  # decodes all of it
            if kind in _KEPT:
                return Picture(data, _KEPT[kind], gray)
            return _as_png(cv2.cvtColor(np.asarray(image.convert("RGB")), cv2.COLOR_RGB2BGR))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UnreadableImageError(f"is damaged or no photograph ({str(error).splitlines()[0]})") from None


def _decoded(content: Any) -> NDArray[Any]:
    """Pixels [H, W] or [H, W, 3] BGR of a sensor_msgs/Image."""
    encoding = str(content.encoding)
    if encoding not in _ENCODINGS:
        raise UnreadableImageError(f"is of encoding {encoding[:20]!r}, which is not read")
    kind, channels, conversion = _ENCODINGS[encoding]
    height, width = int(content.height), int(content.width)
    row = width * channels * np.dtype(kind).itemsize
    data = np.frombuffer(bytes(content.data), np.uint8)
    if min(height, width) < 2 or content.step < row or len(data) < height * content.step:
        raise UnreadableImageError(f"is cut short: {len(data)} bytes for {width}x{height} px of {encoding}")
    rows = np.ascontiguousarray(data[: height * content.step].reshape(height, content.step)[:, :row])
    pixels = rows.view((">" if content.is_bigendian else "<") + kind).reshape(height, width, channels)
    pixels = pixels.astype(np.dtype(kind))
    if channels == 1:
        pixels = pixels[..., 0]
    if conversion is None:
        return pixels
    if width % 2 and channels == 2:
        raise UnreadableImageError(f"has {width} columns, and {encoding} stores them in pairs")
    return np.asarray(cv2.cvtColor(pixels, conversion))


def _as_png(pixels: NDArray[Any]) -> Picture:
    file = cv2.imencode(".png", pixels)[1].tobytes()
    eight = pixels if pixels.dtype == np.uint8 else (pixels >> 8).astype(np.uint8)
    gray = eight if eight.ndim == 2 else cv2.cvtColor(eight, cv2.COLOR_BGR2GRAY)
    return Picture(file, ".png", np.asarray(gray))
