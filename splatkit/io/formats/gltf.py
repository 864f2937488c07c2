"""GLB, the binary form of glTF 2.0 (Khronos, https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html): one mesh.

Coordinates in memory are the project's (z up where the dataset is). glTF is y-up by specification, so files hold
(x, z, -y). Its vertex colors are linear, its textures sRGB as ours; v counts from a picture's upper edge. Colors that
were photographed hold the scene's light already, so that materials are unlit (KHR_materials_unlit); viewers that do not
know the extension light them as matt surfaces. The standard deviations of vertices are the attribute _SIGMA: names
of attributes that glTF does not define begin with an underscore.
"""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splatkit.geometry.local_origin import local_origin
from splatkit.io.atomic import atomic_file
from splatkit.io.images import encode_image
from splatkit.io.mesh import Mesh, stored_sigmas

SIGMA_ATTRIBUTE = "_SIGMA"
_FLOAT, _UNSIGNED = 5126, 5125  # component types
_VERTEX_DATA, _INDEX_DATA = 34962, 34963  # targets of views
_LINEAR, _LINEAR_MIPMAP_LINEAR, _CLAMP_TO_EDGE = 9729, 9987, 33071


def write_glb(path: Path, mesh: Mesh, comments: tuple[str, ...]) -> None:
    """Write a .glb with one primitive. Vertices along the seams of a texture are written once for each side."""
    builder = GlbBuilder()
    corners, faces, uvs = split_at_seams(mesh)
    origin = local_origin(mesh.vertices)  # vertices are float32, but the place of their node is text
    attributes = {"POSITION": builder.add(_turned(mesh.vertices[corners] - origin), "VEC3", _FLOAT, bounds=True)}
    if mesh.vertex_normals is not None:
        attributes["NORMAL"] = builder.add(_turned(mesh.vertex_normals[corners]), "VEC3", _FLOAT)
    if mesh.vertex_sigmas is not None:
        sigmas = stored_sigmas(mesh.vertex_sigmas[corners])
        attributes[SIGMA_ATTRIBUTE] = builder.add(sigmas.astype("<f4"), "SCALAR", _FLOAT)
    surface: dict[str, Any] = {"metallicFactor": 0.0, "roughnessFactor": 1.0}
    document: dict[str, Any] = {
        "asset": {"version": "2.0", "generator": "splatkit", "extras": {"comments": list(comments)}},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "translation": y_up(origin[None])[0].tolist()} if origin.any() else {"mesh": 0}],
    }
    if uvs is not None and mesh.texture is not None:
        attributes["TEXCOORD_0"] = builder.add(np.stack([uvs[:, 0], 1 - uvs[:, 1]], -1).astype("<f4"), "VEC2", _FLOAT)
        surface["baseColorTexture"] = {"index": 0}
        view = builder.append(encode_image(mesh.texture.image, mesh.texture.suffix))
        kind = "image/png" if mesh.texture.suffix == ".png" else "image/jpeg"
        document["images"] = [{"bufferView": view, "mimeType": kind}]
        document["samplers"] = [
            {"magFilter": _LINEAR, "minFilter": _LINEAR_MIPMAP_LINEAR, "wrapS": _CLAMP_TO_EDGE, "wrapT": _CLAMP_TO_EDGE}
        ]
        document["textures"] = [{"sampler": 0, "source": 0}]
    elif mesh.vertex_colors is not None:
        attributes["COLOR_0"] = builder.add(srgb_to_linear(mesh.vertex_colors), "VEC3", _FLOAT)
    material: dict[str, Any] = {"doubleSided": True, "pbrMetallicRoughness": surface}
    if mesh.texture is not None or mesh.vertex_colors is not None:
        material["extensions"] = {"KHR_materials_unlit": {}}
        document["extensionsUsed"] = ["KHR_materials_unlit"]
    indices = builder.add(faces.astype("<u4").reshape(-1), "SCALAR", _UNSIGNED)
    document |= {
        "meshes": [{"primitives": [{"attributes": attributes, "indices": indices, "material": 0}]}],
        "materials": [material],
        "accessors": builder.accessors,
        "bufferViews": builder.views,
        "buffers": [{"byteLength": len(builder.data)}],
    }
    write_document(path, document, builder.data)


def split_at_seams(mesh: Mesh) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.floating] | None]:
    """A mesh whose corners have one index for position and texture alike.

    Returns:
        [C] vertex of each corner, [F, 3] faces of corners, [C, 2] their places in the texture or None.
    """
    if mesh.texture is None:
        return np.arange(len(mesh.vertices)), np.asarray(mesh.faces, dtype=np.int64), None
    pairs = np.stack([mesh.faces.reshape(-1), mesh.texture.faces.reshape(-1)], -1).astype(np.int64)
    keys, inverse = np.unique(pairs[:, 0] * len(mesh.texture.uvs) + pairs[:, 1], return_inverse=True)
    vertices, places = np.divmod(keys, len(mesh.texture.uvs))
    return vertices, inverse.reshape(-1, 3), mesh.texture.uvs[places]


def split_glb(content: bytes) -> tuple[dict[str, Any], bytes]:
    """The document of a .glb, and its binary part, empty where there is none.

    Raises:
        ValueError: it is no .glb of version 2, or cut off.
    """
    if len(content) < 20 or content[:8] != struct.pack("<4sI", b"glTF", 2):
        raise ValueError("not a .glb of glTF 2.0")
    size, kind = struct.unpack("<I4s", content[12:20])
    document = json.loads(content[20 : 20 + size]) if kind == b"JSON" else None
    if not isinstance(document, dict):
        raise ValueError("its first part is not a JSON object")
    start = 20 + size
    if len(content) < start + 8:
        return document, b""
    size, _ = struct.unpack("<I4s", content[start : start + 8])
    data = content[start + 8 : start + 8 + size]
    if len(data) < size:
        raise ValueError(f"cut off: {size} bytes of data are stated, {len(data)} are there")
    return document, data


def glb_head(document: dict[str, Any], size: int) -> bytes:
    """All of a .glb that comes before its `size` bytes of data."""
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    start = struct.pack("<4sII", b"glTF", 2, 12 + 8 + len(text) + 8 + size)
    return start + struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", size, b"BIN\0")


def write_document(path: Path, document: dict[str, Any], data: bytearray) -> None:
    """Write a .glb of a document and its one buffer."""
    with atomic_file(path) as temporary, temporary.open("wb") as file:
        file.write(glb_head(document, len(data)))
        file.write(data)


class GlbBuilder:
    """Collects arrays and pictures into one buffer, each aligned to 4 bytes."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []

    def append(self, content: bytes, target: int | None = None) -> int:
        """Append bytes; returns the index of their view. The target is what a GPU would read them as."""
        view = {"buffer": 0, "byteOffset": len(self.data), "byteLength": len(content)}
        self.views.append(view if target is None else {**view, "target": target})
        self.data += content + b"\0" * (-len(content) % 4)
        return len(self.views) - 1

    def add(self, array: NDArray[Any], kind: str, component: int, bounds: bool = False) -> int:
        """Append an array; returns its accessor's index. glTF demands bounds of positions."""
        accessor: dict[str, Any] = {
            "bufferView": self.append(array.tobytes(), _INDEX_DATA if component == _UNSIGNED else _VERTEX_DATA),
            "componentType": component,
            "count": len(array),
            "type": kind,
        }
        if bounds:
            accessor |= {"min": array.min(0).tolist(), "max": array.max(0).tolist()}
        self.accessors.append(accessor)
        return len(self.accessors) - 1


def _turned(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """Vectors [N, 3] with y up, as the file stores them."""
    return y_up(vectors).astype("<f4")


def y_up(vectors: NDArray[np.floating]) -> NDArray[np.floating]:
    """Vectors [N, 3] of a world with z up, in one with y up."""
    return np.stack([vectors[:, 0], vectors[:, 2], -vectors[:, 1]], axis=-1)


def srgb_to_linear(colors: NDArray[np.uint8]) -> NDArray[np.float32]:
    """IEC 61966-2-1, 8-bit sRGB to linear float32 in [0, 1]."""
    c = colors.astype(np.float64) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4).astype(np.float32)
