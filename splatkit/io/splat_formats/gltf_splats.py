"""Splats in a `.glb` by KHR_gaussian_splatting (ratified by Khronos): points with attributes of their own.

Programs that do not know the extension show colored points. glTF's y points up: as for meshes (`formats.gltf`), the
scene's z becomes y, here by the node's rotation, so that no spherical harmonics need be rotated. Viewers draw
Gaussians; the exponents of ours are the attribute _BETA, and our reader makes the exact splats of both.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splatkit.errors import DatasetError
from splatkit.io.formats.gltf import GlbBuilder, split_glb, write_document
from splatkit.io.splat_formats.gaussians import SH_TERMS, check_finite, gaussians_of_file, nearest_gaussians, rounded
from splatkit.io.splats import SH0, SplatArrays, bake_factors

EXTENSION = "KHR_gaussian_splatting"
_BETA = "_BETA"
_POINTS = 0
_FLOAT, _BYTE = 5126, 5121
_TYPES = {5126: "<f4", 5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2"}
_WIDTHS = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}
_Z_UP = [-np.sqrt(0.5), 0.0, 0.0, np.sqrt(0.5)]  # x, y, z, w: a quarter turn about x


def write_gltf_splats(path: Path, splats: SplatArrays, comments: tuple[str, ...] = ()) -> int:
    """Write a .glb with one primitive; returns its size in bytes.

    Raises:
        ValueError: splats have NaN or infinite parameters.
    """
    check_finite(splats)
    gaussians, builder = nearest_gaussians(splats), GlbBuilder()
    unit = gaussians.quats / np.linalg.norm(gaussians.quats, axis=1, keepdims=True)
    colors = np.concatenate([gaussians.sh0 * SH0 + 0.5, gaussians.opacities[:, None]], 1)
    attributes = {
        "POSITION": builder.add(gaussians.means.astype("<f4"), "VEC3", _FLOAT, bounds=True),
        "COLOR_0": builder.add(rounded(colors * 255, 255).astype(np.uint8), "VEC4", _BYTE),
        f"{EXTENSION}:ROTATION": builder.add(unit[:, [1, 2, 3, 0]].astype("<f4"), "VEC4", _FLOAT),
        f"{EXTENSION}:SCALE": builder.add(gaussians.scales.astype("<f4"), "VEC3", _FLOAT),
        f"{EXTENSION}:OPACITY": builder.add(gaussians.opacities.astype("<f4"), "SCALAR", _FLOAT),
        _harmonic(0, 0): builder.add(gaussians.sh0.astype("<f4"), "VEC3", _FLOAT),
    }
    builder.accessors[attributes["COLOR_0"]]["normalized"] = True
    for (degree, order), values in zip(_terms(gaussians.shN.shape[1]), gaussians.shN.transpose(1, 0, 2), strict=True):
        attributes[_harmonic(degree, order)] = builder.add(values.astype("<f4"), "VEC3", _FLOAT)
    if (splats.betas != 2).any():
        attributes[_BETA] = builder.add(splats.betas.astype("<f4"), "SCALAR", _FLOAT)
    kind = {
        "kernel": "ellipse",
        "colorSpace": "srgb_rec709_display",
        "projection": "perspective",
        "sortingMethod": "cameraDistance",
    }
    primitive = {"attributes": attributes, "mode": _POINTS, "extensions": {EXTENSION: kind}}
    document: dict[str, Any] = {
        "asset": {"version": "2.0", "generator": "splatkit", "extras": {"comments": list(comments)}},
        "extensionsUsed": [EXTENSION],
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "rotation": _Z_UP}],
        "meshes": [{"primitives": [primitive]}],
        "accessors": builder.accessors,
        "bufferViews": builder.views,
        "buffers": [{"byteLength": len(builder.data)}],
    }
    write_document(path, document, builder.data)
    return path.stat().st_size


def has_gltf_splats(path: Path) -> bool:
    """Whether a .glb holds splats and not a mesh; False where it cannot be read."""
    try:
        document, _ = split_glb(Path(path).read_bytes())
    except (OSError, ValueError):
        return False
    return bool(_primitives(document))


def read_gltf_splats(path: Path) -> SplatArrays:
    """Read the splats of a .glb, in the axes of its attributes.

    Raises:
        FileNotFoundError: no such file.
        DatasetError: damaged; without splats or with several primitives of them; or of another kernel, color space or
            compression than the extension's own.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        document, data = split_glb(path.read_bytes())
        primitives = _primitives(document)
        if len(primitives) != 1:
            raise DatasetError(f"{path}: holds {len(primitives)} sets of splats ({EXTENSION}); expected one")
        return _decode(path, primitives[0], document, data)
    except (ValueError, json.JSONDecodeError) as error:
        raise DatasetError(f"{path}: not a .glb file, or damaged or cut short ({error})") from error
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise DatasetError(f"{path}: this .glb file lacks something or holds it in another form ({error})") from error


def _decode(path: Path, primitive: dict[str, Any], document: dict[str, Any], data: bytes) -> SplatArrays:
    kind, attributes = primitive["extensions"][EXTENSION], primitive["attributes"]
    expected = {"kernel": "ellipse", "colorSpace": "srgb_rec709_display"}
    for name, value in expected.items():
        if kind.get(name, value) != value:
            raise DatasetError(f"{path}: its {name} is {kind[name]!r}; this reader knows {value!r}")
    if kind.get("extensions"):
        raise DatasetError(f"{path}: its splats are packed by {', '.join(kind['extensions'])}, which is not read")

    def column(name: str) -> NDArray[Any]:
        return _accessor(document, data, attributes[name])

    terms = next(n for n in reversed(SH_TERMS) if all(_harmonic(*term) in attributes for term in _terms(n)))
    quats, count = column(f"{EXTENSION}:ROTATION"), document["accessors"][attributes["POSITION"]]["count"]
    rest = [column(_harmonic(*term)) for term in _terms(terms)]
    scales, opacities = column(f"{EXTENSION}:SCALE"), column(f"{EXTENSION}:OPACITY")
    if scales.min(initial=1.0) < 0:
        raise DatasetError(f"{path}: scales lie below zero: it follows a draft of {EXTENSION}, whose were logarithms")
    shN = np.stack(rest, 1) if rest else np.zeros((count, 0, 3))
    sh0 = column(_harmonic(0, 0))
    betas = np.full(count, 2.0)
    if _BETA in attributes:
        betas = column(_BETA)
        factors = bake_factors(betas)
        scales, opacities = scales / factors[0][:, None], np.clip(opacities / factors[1], 0, 1)
    found = gaussians_of_file(path, column("POSITION"), quats[:, [3, 0, 1, 2]], scales, opacities, sh0, shN)
    found.betas[:] = betas
    return found


def _primitives(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Those of splats."""
    return [
        primitive
        for mesh in document.get("meshes", [])
        for primitive in mesh.get("primitives", [])
        if EXTENSION in primitive.get("extensions", {})
    ]


def _accessor(document: dict[str, Any], data: bytes, number: int) -> NDArray[Any]:
    """An attribute [N] or [N, W]; whole numbers that are normalized as shares of 1."""
    accessor = document["accessors"][number]
    view = document["bufferViews"][accessor["bufferView"]]
    kind, width = np.dtype(_TYPES[accessor["componentType"]]), _WIDTHS[accessor["type"]]
    start, row = view.get("byteOffset", 0) + accessor.get("byteOffset", 0), kind.itemsize * width
    stride = view.get("byteStride", row)
    end = start + (accessor["count"] - 1) * stride + row
    if accessor["count"] < 1 or min(start, stride - row) < 0 or end > len(data):
        raise ValueError(f"accessor {number} lies outside of the data")
    rows: NDArray[Any] = np.ndarray((accessor["count"], width), kind, data, start, (stride, kind.itemsize))
    values = rows.astype(np.float64)
    if accessor.get("normalized") and kind.kind in "iu":
        values = np.maximum(values / np.iinfo(kind).max, -1)
    return values[:, 0] if width == 1 else values


def _terms(count: int) -> list[tuple[int, int]]:
    """Degree and number of the first `count` harmonics above degree 0."""
    return [(degree, order) for degree in (1, 2, 3) for order in range(2 * degree + 1)][:count]


def _harmonic(degree: int, number: int) -> str:
    return f"{EXTENSION}:SH_DEGREE_{degree}_COEF_{number}"
