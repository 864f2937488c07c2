"""Metrics of meshes on constructed answers."""

import math

import numpy as np
import open3d as o3d
import pytest

from splatkit.evaluation.mesh_detail import compare_details
from splatkit.evaluation.mesh_quality import measure_quality
from splatkit.evaluation.mesh_topology import measure_topology, self_intersecting_faces
from splatkit.io.mesh import Mesh


def merged(*meshes: Mesh) -> Mesh:
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes[:-1])])
    faces = [mesh.faces + start for mesh, start in zip(meshes, starts, strict=True)]
    return Mesh(np.concatenate([mesh.vertices for mesh in meshes]), np.concatenate(faces))


def from_open3d(mesh) -> Mesh:
    return Mesh(np.asarray(mesh.vertices), np.asarray(mesh.triangles))


def sphere(radius: float = 1.0, center=(0.0, 0.0, 0.0), resolution: int = 20) -> Mesh:
    return from_open3d(o3d.geometry.TriangleMesh.create_sphere(radius, resolution).translate(center))


def box(size: float = 1.0, center=(0.0, 0.0, 0.0)) -> Mesh:
    made = o3d.geometry.TriangleMesh.create_box(size, size, size)
    return from_open3d(made.translate(np.asarray(center) - size / 2))


def test_a_sphere_is_a_closed_manifold():
    topology = measure_topology(sphere())
    assert topology.watertight
    counts = (
        topology.flipped_edges,
        topology.non_manifold_vertices,
        topology.components,
        topology.euler_characteristic,
    )
    assert counts == (0, 0, 1, 2)


def test_a_torus_has_genus_one_and_two_pieces_are_two():
    torus = from_open3d(o3d.geometry.TriangleMesh.create_torus())
    assert measure_topology(torus).euler_characteristic == 0
    both = measure_topology(merged(torus, sphere(center=(5, 0, 0))))
    assert (both.components, both.euler_characteristic) == (2, 2)


def test_a_missing_face_is_a_hole_and_a_turned_one_is_flipped():
    mesh = box()
    open_box = measure_topology(Mesh(mesh.vertices, mesh.faces[1:]))
    assert (open_box.boundary_edges, open_box.watertight) == (3, False)
    turned = mesh.faces.copy()
    turned[0] = turned[0, ::-1]
    assert measure_topology(Mesh(mesh.vertices, turned)).flipped_edges == 3


def test_two_boxes_that_share_an_edge_or_a_corner_branch_there():
    for shift, edges, vertices in (((1, 1, 0), 1, 2), ((1, 1, 1), 0, 1)):
        both = merged(box(), box(center=shift))
        unique, inverse = np.unique(both.vertices.round(9), axis=0, return_inverse=True)
        topology = measure_topology(Mesh(unique, inverse.reshape(-1)[both.faces]))
        assert topology.non_manifold_edges == edges
        # At the ends of a shared edge the fans are joined by it.
        assert topology.non_manifold_vertices == (0 if edges else vertices)


def test_an_empty_mesh_has_nothing_of_all():
    empty = Mesh(np.zeros((0, 3)), np.zeros((0, 3), dtype=np.int64))
    assert measure_topology(empty).watertight
    assert len(self_intersecting_faces(empty)) == 0
    assert measure_quality(empty).min_angle_below_10_deg == 0


def test_interpenetrating_spheres_intersect_where_they_meet():
    apart = merged(sphere(), sphere(center=(2.1, 0, 0)))
    assert not self_intersecting_faces(apart).any()
    meeting = merged(sphere(), sphere(center=(1.2, 0.013, 0.007)))
    found = self_intersecting_faces(meeting)
    centers = meeting.vertices[meeting.faces].mean(1)
    assert found.any()
    assert (np.abs(centers[found, 0] - 0.6) < 0.25).all()
    expected = np.asarray(
        o3d.geometry.TriangleMesh(
            o3d.utility.Vector3dVector(meeting.vertices), o3d.utility.Vector3iVector(meeting.faces)
        ).get_self_intersecting_triangles()
    )
    assert set(np.flatnonzero(found)) == set(expected.reshape(-1))


def test_a_folded_fan_intersects_itself_at_a_shared_vertex():
    vertices = np.array([[0, 0, 0], [2, -1, 0], [2, 1, 0], [1, 0, -1], [1, 0, 1.0]])
    assert self_intersecting_faces(Mesh(vertices, np.array([[0, 1, 2], [0, 3, 4]]))).all()
    beside = vertices + np.array([[0, 0, 0]] * 3 + [[-3, 0, 0]] * 2)
    assert not self_intersecting_faces(Mesh(beside, np.array([[0, 1, 2], [0, 3, 4]]))).any()


def test_triangle_quality_of_known_triangles():
    height = math.tan(math.radians(9))
    equilateral = np.array([[0, 0, 0], [1, 0, 0], [0.5, math.sqrt(3) / 2, 0]])
    thin = np.array([[0, 0, 0], [1, 0, 0], [1, height, 0]])  # angles 9, 81, 90
    flat = np.array([[0, 0, 0], [1, 0, 0], [2, 0, 0.0]])
    shares = {}
    for name, corners in (("equilateral", equilateral), ("thin", thin), ("flat", flat)):
        q = measure_quality(Mesh(corners, np.array([[0, 1, 2]])))
        shares[name] = (q.aspect_ratio_above_4, q.radius_ratio_above_4, q.min_angle_below_10_deg)
    assert shares["equilateral"] == (0, 0, 0)
    # Inradius (1 + height - hypotenuse) / 2 = 0.0729: aspect 4.01, radius ratio 3.47.
    assert shares["thin"] == (1, 0, 1)
    assert shares["flat"] == (1, 1, 1)


def test_a_mesh_has_the_details_of_itself():
    detail = compare_details(box(), box(), samples=5000)
    assert detail.chamfer < 1e-6
    assert detail.f_score == 1
    assert detail.inaccurate_normals == pytest.approx(0, abs=2e-3)  # at an edge either face is the nearest


def test_details_of_shifted_planes_and_turned_normals():
    def plane(angle_deg: float, z: float) -> Mesh:
        c, s = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
        corners = np.array([[x * c, y, x * s + z] for x in (-1, 1) for y in (-1, 1)])
        return Mesh(corners, np.array([[0, 2, 1], [1, 2, 3]]))

    shifted = compare_details(plane(0, 0.01), plane(0, 0), samples=2000)
    assert shifted.chamfer == pytest.approx(0.01, rel=1e-4)
    assert shifted.chamfer_squared == pytest.approx(1e-4, rel=1e-3)
    assert (shifted.f_score, shifted.inaccurate_normals) == (0, 0)
    assert compare_details(plane(4, 0), plane(0, 0), samples=2000).inaccurate_normals == 0
    assert compare_details(plane(6, 0), plane(0, 0), samples=2000).inaccurate_normals == 1


def test_edges_of_a_box_are_found_and_a_sphere_has_none():
    truth = box()
    assert compare_details(box(), truth).edge_f_score > 0.98
    smaller = compare_details(box(0.9), truth)
    assert smaller.edge_f_score == 0
    assert smaller.edge_chamfer == pytest.approx(0.05 * math.sqrt(2), rel=0.15)
    without = compare_details(sphere(0.5), truth, samples=5000)
    assert (without.edge_chamfer, without.edge_f_score) == (math.inf, 0)
    round_ones = compare_details(sphere(0.5, resolution=40), sphere(0.5, resolution=40), samples=5000)
    assert (round_ones.edge_chamfer, round_ones.edge_f_score) == (0, 1)
