"""`.sog`: splats as images in a zip, a tenth to a twentieth of the size of `splats.ply`; viewers read it as it is.

SOG version 2 (PlayCanvas; the specification is public) holds Gaussians as lossless WebP images, one pixel a splat:
16-bit positions on a logarithmic scale, quaternions by their three smaller components, and 8-bit indices into
codebooks; harmonics above degree 0 are rows of a palette. As in `splats.ply`, those are the Gaussians nearest to our
splats. What makes them exact again are the exponents and the lobes, in images of their own that the entry `splatkit` of
meta.json names; the specification has readers pass over entries that they do not know.
"""

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from splatkit.errors import DatasetError
from splatkit.io.atomic import atomic_file
from splatkit.io.splat_formats.gaussians import from_smallest_three, rounded, smallest_three
from splatkit.io.splat_formats.quantization import (
    LOBE_STEPS,
    line_codebook,
    morton_order,
    pack_lobes,
    unpack_lobes,
    vector_palette,
)
from splatkit.io.splats import SplatArrays, bake_factors

META = "meta.json"
_VERSION = 2
_ROW = 64  # palette entries in a row of their image
_MODE_BASE = 252  # alpha of a quaternion whose first component is the largest
_DEGREES = {0: 0, 3: 1, 8: 2, 15: 3}  # by coefficients above degree 0
_SPLATS_PER_ENTRY = 16  # of the palette by default: the palette then takes about as much as the rest
_PALETTE_MIN, _PALETTE_MAX = 256, 65536


def write_sog(path: Path, splats: SplatArrays, *, antialiased: bool = False, palette_size: int | None = None) -> int:
    """Write splats as a bundled SOG; returns its size in bytes.

    Args:
        path: the file; written whole or not at all.
        splats: N >= 1; their order is not kept.
        antialiased: whether they were trained for anti-aliased rendering.
        palette_size: entries for harmonics above degree 0, at most 65536; by default one for 16 splats.
    """
    content = sog_content(splats, antialiased=antialiased, palette_size=palette_size)
    with atomic_file(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for name, part in content.items():
            packing = zipfile.ZIP_DEFLATED if name == META else zipfile.ZIP_STORED
            archive.writestr(zipfile.ZipInfo(name), part, compress_type=packing)
    return path.stat().st_size


def sog_content(
    splats: SplatArrays, *, antialiased: bool = False, palette_size: int | None = None, in_order: bool = False
) -> dict[str, bytes]:
    """The files of a SOG by name; META among them, last.

    Args:
        splats, antialiased, palette_size: see `write_sog`.
        in_order: keep the order of the splats, which are then to be sorted in runs of neighbors to pack well.
    """
    table = (*vars(splats).values(),)
    if len(splats.means) == 0:
        raise ValueError("splats: expected at least one, got none")
    if not all(np.isfinite(values).all() for values in table):
        raise ValueError("splats: some have NaN or infinite parameters")
    pictures = _Pictures(np.arange(len(splats.means)) if in_order else morton_order(splats.means))
    meta: dict[str, Any] = {"version": _VERSION, "count": len(splats.means), "antialias": antialiased}
    meta["means"] = _means(splats, pictures)
    own, betas = _own_parts(splats, pictures)
    if own:
        meta["splatkit"] = own
    scale_factors, opacity_factors = bake_factors(betas)
    code, labels = line_codebook(np.log(np.maximum(splats.scales, 1e-30) * scale_factors[:, None]))
    meta["scales"] = {"codebook": code.tolist(), "files": [pictures.add("scales.webp", *labels.T)]}
    meta["quats"] = {"files": [pictures.add("quats.webp", *_pack_quats(splats.quats))]}
    code, labels = line_codebook(splats.sh0)
    opacities = np.round(np.clip(splats.opacities * opacity_factors, 0, 1) * 255).astype(np.uint8)
    meta["sh0"] = {"codebook": code.tolist(), "files": [pictures.add("sh0.webp", *labels.T, opacities)]}
    if splats.shN.shape[1]:
        meta["shN"] = _harmonics(splats, palette_size, pictures)
    content = {name: _encode(pixels) for name, pixels in pictures.images.items()}
    return content | {META: json.dumps(short_floats(meta, 8)).encode()}


class _Pictures:
    """The images of a file, in the order in which they are stored; a splat has the same pixel in each."""

    def __init__(self, order: NDArray[np.int64]) -> None:
        self.images: dict[str, NDArray[np.uint8]] = {}
        self._count, self._order = len(order), order
        width = 4 * -(-int(np.ceil(np.sqrt(self._count))) // 4)
        self._size = (-(-self._count // width), width)

    def add(self, name: str, *channels: NDArray[Any]) -> str:
        """One more, of channels [N]; returns its name."""
        pixels = np.zeros((self._size[0] * self._size[1], len(channels)), np.uint8)
        pixels[: self._count] = np.stack(channels, 1)[self._order]
        if len(channels) == 4:
            pixels[self._count :, 3] = 255
        self.images[name] = pixels.reshape(*self._size, len(channels))
        return name


def _means(splats: SplatArrays, pictures: _Pictures) -> dict[str, Any]:
    """Logarithms of positions, in 16 bits."""
    logarithmic = np.sign(splats.means) * np.log1p(np.abs(splats.means.astype(np.float64)))
    low, high = logarithmic.min(0), logarithmic.max(0)
    steps = np.round((logarithmic - low) / np.maximum(high - low, 1e-12) * 65535).astype(np.int64)
    return {
        "mins": low.tolist(),
        "maxs": high.tolist(),
        "files": [pictures.add("means_l.webp", *(steps & 255).T), pictures.add("means_u.webp", *(steps >> 8).T)],
    }


def _own_parts(splats: SplatArrays, pictures: _Pictures) -> tuple[dict[str, Any], NDArray[Any]]:
    """What other viewers pass over: exponents and lobes; and the exponents [N] that a reader will see."""
    own: dict[str, Any] = {}
    betas = splats.betas
    if (betas != 2).any():
        code, labels = line_codebook(betas)
        code = np.clip(code, 1, 8)
        betas = code[labels]  # the bake must fit the exponents that a reader will see
        own["betas"] = {"codebook": code.tolist(), "files": [pictures.add("betas.webp", labels)]}
    if splats.lobes.shape[1]:
        code, bytes_of_lobes = pack_lobes(splats.lobes)
        files = [
            pictures.add(f"lobes_{k}_{name}.webp", *part.T)
            for k, lobe in enumerate(bytes_of_lobes.transpose(1, 0, 2))
            for name, part in (("color", lobe[:, :3]), ("shape", lobe[:, 3:]))
        ]
        own["lobes"] = {"codebook": code.tolist(), "steps": LOBE_STEPS, "files": files}
    return own, betas


def _harmonics(splats: SplatArrays, palette_size: int | None, pictures: _Pictures) -> dict[str, Any]:
    """A palette of vectors for what is above degree 0."""
    count = len(splats.means)
    chosen = palette_size or int(np.clip(count // _SPLATS_PER_ENTRY, _PALETTE_MIN, _PALETTE_MAX))
    palette, indices = vector_palette(splats.shN.reshape(count, -1), chosen)
    code, entries = line_codebook(palette)
    pictures.images["shN_centroids.webp"] = _palette_image(entries, splats.shN.shape[1])
    labels_file = pictures.add("shN_labels.webp", indices & 255, indices >> 8, np.zeros_like(indices))
    return {
        "count": len(palette),
        "bands": _DEGREES[splats.shN.shape[1]],
        "codebook": code.tolist(),
        "files": ["shN_centroids.webp", labels_file],
    }


def read_sog(path: Path) -> SplatArrays:
    """Read a bundled SOG of ours or any other of version 2.

    Raises:
        FileNotFoundError: no such file.
        DatasetError: damaged, cut short, of another version, or not a SOG at all.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    with what_is_wrong(path), zipfile.ZipFile(path) as archive:
        return decode_sog(path, archive.read)


@contextmanager
def what_is_wrong(path: Path) -> Iterator[None]:
    """Damage of a SOG as one DatasetError that names the file."""
    try:
        yield
    except (zipfile.BadZipFile, json.JSONDecodeError, UnicodeDecodeError, EOFError) as error:
        raise DatasetError(f"{path}: not a .sog file, or damaged or cut short ({error})") from error
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise DatasetError(f"{path}: this .sog file lacks something or holds it in another form ({error})") from error
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: an image of this .sog file cannot be read ({error})") from error


def decode_sog(path: Path, read: Callable[[str], bytes]) -> SplatArrays:
    """The splats of a SOG whose files `read` gives by name, in the order in which they are stored.

    Raises:
        DatasetError: of another version, or damaged; names `path`. Other damage raises as `what_is_wrong` expects.
    """
    meta = json.loads(read(META))
    if meta.get("version") != _VERSION:
        raise DatasetError(f"{path}: SOG version {meta.get('version')!r}; this reader knows version {_VERSION}")
    count = int(meta["count"])
    if count < 1:
        raise DatasetError(f"{path}: this .sog file holds no splats")

    def pixels(name: str) -> NDArray[np.int64]:
        image = _open(read, name).reshape(-1, 4)
        if len(image) < count:
            raise DatasetError(f"{path}: {name} has {len(image)} pixels for {count} splats")
        return image[:count]

    def looked_up(entry: dict[str, Any], indices: NDArray[np.int64]) -> NDArray[np.float32]:
        return np.asarray(entry["codebook"], dtype=np.float32)[indices]

    low, high = (np.asarray(meta["means"][name], dtype=np.float64) for name in ("mins", "maxs"))
    fine, coarse = (pixels(name)[:, :3] for name in meta["means"]["files"])
    logarithmic = low + (high - low) * ((coarse << 8) + fine) / 65535
    betas = np.full(count, 2.0, dtype=np.float32)
    if own := meta.get("splatkit", {}).get("betas"):
        betas = np.clip(looked_up(own, pixels(own["files"][0])[:, 0]), 1, 8)
    lobes = np.zeros((count, 0, 6), dtype=np.float32)
    if own := meta.get("splatkit", {}).get("lobes"):
        packed = np.concatenate([pixels(name)[:, :3] for name in own["files"]], 1)
        code, steps = np.asarray(own["codebook"], dtype=np.float32), tuple(int(step) for step in own["steps"])
        lobes = unpack_lobes(code, packed.reshape(count, -1, 6), steps)
    scale_factors, opacity_factors = bake_factors(betas)
    scales = np.exp(looked_up(meta["scales"], pixels(meta["scales"]["files"][0])[:, :3]))
    color = pixels(meta["sh0"]["files"][0])
    rest = np.zeros((count, 0, 3), dtype=np.float32)
    if "shN" in meta:
        coefficients = {degree: terms for terms, degree in _DEGREES.items()}[int(meta["shN"]["bands"])]
        palette = _open(read, meta["shN"]["files"][0])[..., :3].reshape(-1, coefficients, 3)
        labels = pixels(meta["shN"]["files"][1])
        rest = looked_up(meta["shN"], palette[labels[:, 0] + (labels[:, 1] << 8)])
    return SplatArrays(
        means=(np.sign(logarithmic) * np.expm1(np.abs(logarithmic))).astype(np.float32),
        quats=_unpack_quats(path, pixels(meta["quats"]["files"][0])),
        scales=(scales / scale_factors[:, None]).astype(np.float32),
        opacities=np.clip(color[:, 3] / 255 / opacity_factors, 0, 1).astype(np.float32),
        betas=betas,
        sh0=looked_up(meta["sh0"], color[:, :3]),
        shN=rest,
        lobes=lobes,
    )


def _pack_quats(quats: NDArray[np.float32]) -> tuple[NDArray[Any], ...]:
    """Channels of quaternions [N, 4] wxyz: the three smaller components as bytes, and which is the largest."""
    largest, others = smallest_three(quats)
    stored = rounded((others * np.sqrt(0.5) + 0.5) * 255, 255).astype(np.uint8)
    return (*stored.T, (_MODE_BASE + largest).astype(np.uint8))


def _unpack_quats(path: Path, pixels: NDArray[np.int64]) -> NDArray[np.float32]:
    largest = pixels[:, 3] - _MODE_BASE
    if largest.min() < 0:
        raise DatasetError(f"{path}: quaternions of an unknown mode ({pixels[:, 3].min()})")
    return from_smallest_three(largest, (pixels[:, :3] / 255 - 0.5) * np.sqrt(2)).astype(np.float32)


def _palette_image(entries: NDArray[np.uint8], coefficients: int) -> NDArray[np.uint8]:
    """Palette rows [P, 3 * coefficients] (coefficient-major) as an image of 64 rows side by side."""
    rows = -(-len(entries) // _ROW)
    padded = np.zeros((rows * _ROW, coefficients, 3), np.uint8)
    padded[: len(entries)] = entries.reshape(-1, coefficients, 3)
    return padded.reshape(rows, _ROW * coefficients, 3)


def _encode(pixels: NDArray[np.uint8]) -> bytes:
    channels = pixels.shape[2]
    mode = {1: "L", 3: "RGB", 4: "RGBA"}[channels]
    buffer = io.BytesIO()
    image = Image.fromarray(pixels[..., 0] if channels == 1 else pixels, mode)
    # `exact` keeps the colors of transparent pixels: opacity is a number here. More effort takes up to 300 times as
    # long, and pictures of codes become 1 % larger.
    image.save(buffer, "WEBP", lossless=True, quality=75, method=2, exact=True)
    return buffer.getvalue()


def _open(read: Callable[[str], bytes], name: str) -> NDArray[np.int64]:
    """Pixels [H, W, 4] of one of the images."""
    with Image.open(io.BytesIO(read(name))) as image:
        return np.asarray(image.convert("RGBA")).astype(np.int64)


def short_floats(value: Any, digits: int) -> Any:
    """Floats of a JSON value with so many digits."""
    if isinstance(value, float):
        return float(f"{value:.{digits}g}")
    if isinstance(value, dict):
        return {key: short_floats(item, digits) for key, item in value.items()}
    return [short_floats(item, digits) for item in value] if isinstance(value, list) else value
