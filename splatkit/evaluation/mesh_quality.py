"""How well-shaped a mesh's triangles are, by the measures of Table 4 of FlexiCubes (arXiv 2308.05371)."""

from dataclasses import dataclass

import numpy as np

from splatkit.geometry.triangles import TriangleMesh


@dataclass(frozen=True)
class TriangleQuality:
    """Shares of triangles that are badly shaped, in [0, 1]; triangles without area are bad by all measures."""

    aspect_ratio_above_4: float  # longest edge / (2 sqrt(3) inradius): 1 for equilateral triangles
    radius_ratio_above_4: float  # circumradius / (2 inradius): 1 for equilateral triangles
    min_angle_below_10_deg: float


def measure_quality(mesh: TriangleMesh) -> TriangleQuality:
    """Shares of badly shaped triangles; 0 without triangles."""
    corners = np.asarray(mesh.vertices, dtype=np.float64)[np.asarray(mesh.faces, dtype=np.int64).reshape(-1, 3)]
    if len(corners) == 0:
        return TriangleQuality(0.0, 0.0, 0.0)
    edges = corners[:, [1, 2, 0]] - corners
    a, b, c = lengths = np.linalg.norm(edges, axis=-1).T
    area = np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=-1) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        inradius = 2 * area / (a + b + c)
        aspect = lengths.max(0) / (2 * np.sqrt(3) * inradius)
        radius = a * b * c / (4 * area) / (2 * inradius)
        shortest = lengths.min(0)
        others = np.sort(lengths, 0)[1:].prod(0)  # the least angle lies between the longer edges
        angle = np.degrees(np.arctan2(2 * area / others, np.sqrt(np.maximum(1 - (2 * area / others) ** 2, 0))))
    bad = ~(area > 0) | (shortest == 0)
    return TriangleQuality(
        aspect_ratio_above_4=float(((aspect > 4) | bad).mean()),
        radius_ratio_above_4=float(((radius > 4) | bad).mean()),
        min_angle_below_10_deg=float(((angle < 10) | bad).mean()),
    )
