"""A DNG byte by byte, as its specification (Adobe, 1.4) has it: an uncompressed mosaic, with a small preview first."""

import struct
from pathlib import Path

import numpy as np

BYTE, ASCII, SHORT, LONG, RATIONAL, SRATIONAL = 1, 2, 3, 4, 5, 10
_SIZES = {BYTE: 1, ASCII: 1, SHORT: 2, LONG: 4, RATIONAL: 8, SRATIONAL: 8}
WHITE = 4095
XYZ_TO_SRGB = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])

Entry = tuple[int, int, list]  # tag, type, values; of rationals pairs


def rational(value: float, scale: int = 10_000) -> tuple[int, int]:
    return round(value * scale), scale


def degrees(value: float) -> list[tuple[int, int]]:
    """Degrees, minutes and seconds of an angle >= 0."""
    whole, rest = divmod(value, 1)
    minutes, rest = divmod(rest * 60, 1)
    return [(int(whole), 1), (int(minutes), 1), rational(rest * 60)]


def _pack(kind: int, values: list) -> bytes:
    if kind in (RATIONAL, SRATIONAL):
        return b"".join(struct.pack("<II" if kind == RATIONAL else "<ii", *pair) for pair in values)
    if kind in (BYTE, ASCII):
        return bytes(values)
    return b"".join(struct.pack("<H" if kind == SHORT else "<I", value) for value in values)


class _Writer:
    """Collects blocks after the header; directories know their place once they are written."""

    def __init__(self) -> None:
        self.content = bytearray(b"II*\0" + bytes(4))

    def block(self, data: bytes) -> int:
        if len(self.content) % 2:
            self.content += b"\0"
        place = len(self.content)
        self.content += data
        return place

    def directory(self, entries: list[Entry]) -> int:
        rows = []
        for tag, kind, values in sorted(entries, key=lambda entry: entry[0]):
            data = _pack(kind, values)
            count = len(data) // _SIZES[kind]
            place = data.ljust(4, b"\0") if len(data) <= 4 else struct.pack("<I", self.block(data))
            rows.append(struct.pack("<HHI", tag, kind, count) + place)
        return self.block(struct.pack("<H", len(rows)) + b"".join(rows) + bytes(4))


def linear_light(image: np.ndarray) -> np.ndarray:
    """Light in [0, 1] of 8-bit sRGB. Source: IEC 61966-2-1."""
    values = image[..., :3] / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def mosaic(linear: np.ndarray) -> np.ndarray:
    """[H, W] uint16 samples behind an RGGB filter, of linear light [H, W, 3] in [0, 1]."""
    rows, columns = np.mgrid[: linear.shape[0], : linear.shape[1]]
    channel = rows % 2 + columns % 2  # red, green, green, blue
    chosen = np.take_along_axis(linear, channel[..., None], axis=-1)[..., 0]
    return np.round(np.clip(chosen, 0, 1) * WHITE).astype(np.uint16)


def write_dng(
    path: Path,
    linear: np.ndarray,
    orientation: int = 1,
    focal_35mm: int | None = None,
    gps: list[Entry] | None = None,
    preview: np.ndarray | None = None,
) -> Path:
    """Write linear light [H, W, 3] of a camera whose colors are sRGB's, beside a preview [h, w, 3] of 8 bits."""
    height, width = linear.shape[:2]
    out = _Writer()
    strip = out.block(mosaic(linear).astype("<u2").tobytes())
    raw = out.directory(
        [
            (254, LONG, [0]),  # NewSubfileType: the full image
            (256, LONG, [width]),
            (257, LONG, [height]),
            (258, SHORT, [16]),
            (259, SHORT, [1]),  # uncompressed
            (262, SHORT, [32803]),  # a mosaic
            (273, LONG, [strip]),
            (277, SHORT, [1]),
            (278, LONG, [height]),
            (279, LONG, [width * height * 2]),
            (284, SHORT, [1]),
            (33421, SHORT, [2, 2]),  # CFARepeatPatternDim
            (33422, BYTE, [0, 1, 1, 2]),  # CFAPattern
            (50714, SHORT, [0]),  # BlackLevel
            (50717, SHORT, [WHITE]),  # WhiteLevel
        ]
    )
    small = np.zeros((8, 12, 3), np.uint8) if preview is None else preview
    first: list[Entry] = [
        (254, LONG, [1]),  # a reduced image
        (256, LONG, [small.shape[1]]),
        (257, LONG, [small.shape[0]]),
        (258, SHORT, [8, 8, 8]),
        (259, SHORT, [1]),
        (262, SHORT, [2]),
        (271, ASCII, list(b"Test\0")),
        (272, ASCII, list(b"Camera\0")),
        (273, LONG, [out.block(small.tobytes())]),
        (274, SHORT, [orientation]),
        (277, SHORT, [3]),
        (278, LONG, [small.shape[0]]),
        (279, LONG, [small.size]),
        (284, SHORT, [1]),
        (330, LONG, [raw]),  # SubIFDs
        (50706, BYTE, [1, 4, 0, 0]),  # DNGVersion
        (50708, ASCII, list(b"Test Camera\0")),
        (50721, SRATIONAL, [rational(value) for value in XYZ_TO_SRGB.ravel()]),  # ColorMatrix1
        (50728, RATIONAL, [(1, 1)] * 3),  # AsShotNeutral
        (50778, SHORT, [21]),  # CalibrationIlluminant1: D65
    ]
    if focal_35mm is not None:
        first.append((34665, LONG, [out.directory([(0xA405, SHORT, [focal_35mm])])]))
    if gps is not None:
        first.append((34853, LONG, [out.directory(gps)]))
    start = out.directory(first)
    out.content[4:8] = struct.pack("<I", start)
    path.write_bytes(bytes(out.content))
    return path
