"""Albedo of generated objects as a function of the point in the object's own frame.

A texture mixes two colors by a pattern and multiplies the result by fine noise ("grain"), because a reconstruction from
photographs needs something to hold on to everywhere. Patterns have edges; the noise is band-limited.
"""

from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from splatkit.synthetic.description import Texture

Pattern = Callable[[NDArray[np.floating], NDArray[np.floating]], NDArray[np.floating]]

# A cell boundary of a lattice that falls on a face of the object would decide by rounding; no face of a scene lies at
# these fractions of a cell.
_LATTICE_OFFSET = np.array([0.3819, 0.2361, 0.4271])

_TEXELS_PER_METER = 700


class WaveNoise:
    """Band-limited noise of mean 0 and variance 1, known at every point of space, without a lattice.

    It is a sum of plane waves, whose lengths lie between 0.7 and 1.4 times `wavelength`.
    """

    def __init__(self, rng: np.random.Generator, wavelength: float, waves: int = 12) -> None:
        directions = rng.normal(size=(waves, 3))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        lengths = wavelength * 2 ** rng.uniform(-0.5, 0.5, size=(waves, 1))
        self._wave_vectors = (2 * np.pi * directions / lengths).astype(np.float32)
        self._phases = rng.uniform(0, 2 * np.pi, size=waves).astype(np.float32)

    def __call__(self, points: NDArray[np.floating]) -> NDArray[np.float32]:
        """Values at points [N, 3] -> [N]."""
        total = np.zeros(len(points), dtype=np.float32)
        p = points.astype(np.float32)
        for wave_vector, phase in zip(self._wave_vectors, self._phases, strict=True):
            total += np.cos(p @ wave_vector + phase)
        return total * np.float32(np.sqrt(2 / len(self._phases)))


class SurfaceTexture:
    """Evaluates a `Texture` of a description."""

    def __init__(self, texture: Texture, rng: np.random.Generator) -> None:
        self._colors = np.array(texture.colors, dtype=np.float32)
        self._pattern = _PATTERNS[texture.kind](texture, rng)
        self._grain = WaveNoise(rng, texture.grain_size, texture.waves)
        self._grain_amplitude = np.float32(texture.grain)

    def __call__(self, points: NDArray[np.floating], normals: NDArray[np.floating]) -> NDArray[np.float32]:
        """Albedo at points [N, 3] with unit normals [N, 3], both in the object's frame -> [N, 3] in [0, 1], sRGB."""
        mix = self._pattern(points, normals).astype(np.float32)[:, None]
        albedo = self._colors[0] * (1 - mix) + self._colors[1] * mix
        return np.clip(albedo * (1 + self._grain_amplitude * self._grain(points)[:, None]), 0, 1).astype(np.float32)


def _checker(texture: Texture, _rng: np.random.Generator) -> Pattern:
    def evaluate(points: NDArray[np.floating], _normals: NDArray[np.floating]) -> NDArray[np.floating]:
        cells = np.floor(points / texture.size + _LATTICE_OFFSET).astype(np.int64)
        return (cells.sum(-1) % 2).astype(np.float32)

    return evaluate


def _stripes(texture: Texture, _rng: np.random.Generator) -> Pattern:
    """Stripes across the diagonal, so that no face of a box is left without."""
    direction = np.array([1.0, 0.7, 0.9]) / np.linalg.norm([1.0, 0.7, 0.9])

    def evaluate(points: NDArray[np.floating], _normals: NDArray[np.floating]) -> NDArray[np.floating]:
        return (np.floor(points @ direction / texture.size + _LATTICE_OFFSET[0]) % 2).astype(np.float32)

    return evaluate


def _noise(texture: Texture, rng: np.random.Generator) -> Pattern:
    noise = WaveNoise(rng, texture.size, texture.waves)
    return lambda points, _normals: np.clip(0.5 + 0.35 * noise(points), 0, 1)


def _solid(_texture: Texture, _rng: np.random.Generator) -> Pattern:
    return lambda points, _normals: np.zeros(len(points), dtype=np.float32)


def _text(texture: Texture, _rng: np.random.Generator) -> Pattern:
    """Print on every upright face and on the top, each read from outside; 0 is the paper and 1 the ink."""
    panel = texture.panel
    ink = _print_text(texture.text, panel)

    def evaluate(points: NDArray[np.floating], normals: NDArray[np.floating]) -> NDArray[np.floating]:
        axis = np.abs(normals).argmax(-1)
        sign = np.sign(np.take_along_axis(normals, axis[:, None], -1)[:, 0])
        across = np.select([axis == 0, axis == 1], [sign * points[:, 1], -sign * points[:, 0]], points[:, 0])
        up = np.where(axis == 2, points[:, 1], points[:, 2])
        column = np.clip((across / panel[0] + 0.5) * ink.shape[1], 0, ink.shape[1] - 1).astype(np.int64)
        row = np.clip((0.5 - up / panel[1]) * ink.shape[0], 0, ink.shape[0] - 1).astype(np.int64)
        return ink[row, column]

    return evaluate


def _print_text(text: str, panel: tuple[float, float]) -> NDArray[np.float32]:
    """Lines of text as large as fits a panel (width, height in m) -> ink [rows, columns] in [0, 1]."""
    width, height = (max(8, round(extent * _TEXELS_PER_METER)) for extent in panel)
    font_file = Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans-Bold.ttf"  # the same on every machine
    image = Image.new("L", (width, height))
    draw = ImageDraw.Draw(image)
    size = height
    while size > 4:
        font = ImageFont.truetype(str(font_file), size)
        left, top, right, bottom = draw.multiline_textbbox((0, 0), text, font=font, align="center")
        if right - left <= 0.9 * width and bottom - top <= 0.9 * height:
            break
        size = int(size * 0.95)
    origin = ((width - left - right) / 2, (height - top - bottom) / 2)
    draw.multiline_text(origin, text, fill=255, font=font, align="center")
    return np.asarray(image.filter(ImageFilter.GaussianBlur(0.6)), dtype=np.float32) / 255


_PATTERNS: dict[str, Callable[[Texture, np.random.Generator], Pattern]] = {
    "solid": _solid,
    "checker": _checker,
    "stripes": _stripes,
    "noise": _noise,
    "text": _text,
}
