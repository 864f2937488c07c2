"""Solids are closed, face outward and have the volume of their formula."""

import numpy as np
import pytest
import trimesh

from splatkit.synthetic.solids import make_box, make_cylinder, make_sphere, make_stairs, make_torus

RNG = np.random.default_rng(0)
SOLIDS = [
    (make_box((1.0, 2.0, 3.0)), 6.0, 1e-12),
    (make_stairs((0.4, 0.3, 0.8), 4), 0.4 * 0.3 * 0.8 * (1 + 2 + 3 + 4) / 16, 1e-12),
    (make_cylinder(0.5, 2.0), np.pi / 2, 1e-3),  # an inscribed prism of 96 sides
    (make_sphere(0.5), np.pi / 6, 2e-3),
    (make_torus(0.5, 0.1, 0.0, RNG), 2 * np.pi**2 * 0.5 * 0.01, 6e-3),
    (make_torus(0.5, 0.1, 0.005, RNG), 2 * np.pi**2 * 0.5 * 0.01, 3e-2),
]


@pytest.mark.parametrize(("solid", "volume", "tolerance"), SOLIDS)
def test_closed_outward_and_of_the_right_volume(solid, volume, tolerance):
    mesh = trimesh.Trimesh(solid.vertices, solid.faces, process=False)
    assert mesh.is_watertight
    assert mesh.is_winding_consistent
    assert mesh.volume == pytest.approx(volume, rel=tolerance)


@pytest.mark.parametrize(("solid", "volume", "tolerance"), SOLIDS)
def test_shading_normals_are_near_the_triangles_own(solid, volume, tolerance):
    a, b, c = (solid.vertices[solid.faces[:, k]] for k in range(3))
    normals = np.cross(b - a, c - a)
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    agreement = np.einsum("fcd,fd->fc", solid.corner_normals, normals)
    np.testing.assert_allclose(np.linalg.norm(solid.corner_normals, axis=-1), 1)
    assert agreement.min() > 0.8  # the bumps of the rough torus turn by up to 35 deg from triangle to triangle


def test_roughness_is_the_standard_deviation_of_the_bumps():
    smooth = make_torus(0.5, 0.1, 0.0, np.random.default_rng(3))
    rough = make_torus(0.5, 0.1, 0.004, np.random.default_rng(3))
    bumps = ((rough.vertices - smooth.vertices) ** 2).sum(-1) ** 0.5
    assert np.sqrt((bumps**2).mean()) == pytest.approx(0.004, rel=0.4)  # 12 waves on a small surface
