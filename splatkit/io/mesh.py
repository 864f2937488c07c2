"""Triangle meshes in memory: vertices, faces, colors or a texture."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

_UNKNOWN_SIGMA = -1.0


@dataclass(frozen=True)
class Texture:
    """A picture of a mesh's surface, and where the corners of each face lie in it."""

    image: NDArray[np.uint8]  # [H, W, 3] sRGB
    uvs: NDArray[np.floating]  # [T, 2] in [0, 1]; v counts from the picture's lower edge
    faces: NDArray[np.integer]  # [F, 3] indices into uvs
    suffix: Literal[".jpg", ".png"] = ".jpg"  # of the file that the picture becomes


@dataclass(frozen=True)
class Mesh:
    """V vertices and F triangles, counter-clockwise seen from outside."""

    vertices: NDArray[np.floating]  # [V, 3]
    faces: NDArray[np.integer]  # [F, 3] vertex indices
    vertex_colors: NDArray[np.uint8] | None = None  # [V, 3] sRGB
    vertex_normals: NDArray[np.floating] | None = None  # [V, 3] unit
    texture: Texture | None = None
    # [V] standard deviation of each vertex along its normal, in units of the vertices; NaN where it is not known
    vertex_sigmas: NDArray[np.float32] | None = None

    def face_areas(self) -> NDArray[np.float64]:
        """[F] areas in squared units of the vertices."""
        return np.linalg.norm(self._face_crosses(), axis=-1) / 2

    def face_normals(self) -> NDArray[np.float64]:
        """[F, 3] unit normals; zero for degenerate triangles."""
        crosses = self._face_crosses()
        lengths = np.linalg.norm(crosses, axis=-1, keepdims=True)
        return np.divide(crosses, lengths, out=np.zeros_like(crosses), where=lengths > 0)

    def _face_crosses(self) -> NDArray[np.float64]:
        a, b, c = (self.vertices[self.faces[:, i]].astype(np.float64) for i in range(3))
        return np.cross(b - a, c - a)


def stored_sigmas(sigmas: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sigmas [V] as files have them, -1 where they are not known.

    glTF has no NaN, and Blender 5.0 reads NaN in a PLY as 0, as if the vertex were exact.
    """
    return np.nan_to_num(sigmas, nan=_UNKNOWN_SIGMA).astype(np.float32)


def known_sigmas(stored: NDArray[np.floating]) -> NDArray[np.float32]:
    """Sigmas [V] of what files have: NaN where it is negative or NaN."""
    return np.where(stored >= 0, stored, np.nan).astype(np.float32)
