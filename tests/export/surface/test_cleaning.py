"""Cleaning and decimation on meshes whose defects are known."""

import numpy as np
import pytest
import trimesh

from splatkit.evaluation.mesh_topology import measure_topology
from splatkit.export.surface.cleaning import close_holes, drop_components, keep_faces, make_manifold
from splatkit.export.surface.decimation import decimate
from splatkit.io.mesh import Mesh


def sphere(subdivisions: int = 3, center: tuple[float, float, float] = (0.0, 0.0, 0.0), radius: float = 1.0) -> Mesh:
    ball = trimesh.creation.icosphere(subdivisions=subdivisions, radius=radius)
    return Mesh(np.asarray(ball.vertices) + np.array(center), np.asarray(ball.faces).astype(np.int64))


def together(*meshes: Mesh) -> Mesh:
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    faces = [mesh.faces + start for mesh, start in zip(meshes, starts, strict=False)]
    return Mesh(np.concatenate([mesh.vertices for mesh in meshes]), np.concatenate(faces))


def test_small_pieces_and_unseen_ones_are_dropped():
    pieces = sphere(), sphere(1, (5, 0, 0), 0.01), sphere(3, (0, 5, 0), 2.0)
    mesh = together(*pieces)
    seen = mesh.vertices[:, 1] < 2.5  # all but the largest piece
    kept, dropped = drop_components(mesh, seen, min_area_share=0.002, min_seen_share=0.05)
    np.testing.assert_array_equal(kept.vertices, pieces[0].vertices)
    assert dropped.components == 2
    assert dropped.faces == len(pieces[1].faces) + len(pieces[2].faces)
    assert 0.79 < dropped.area_share < 0.81
    assert len(drop_components(mesh, ~seen & False, 0.1, 0.05)[0].faces) == 0


def test_holes_up_to_a_size_are_closed_and_counted():
    mesh = sphere()
    middles = mesh.vertices[mesh.faces].mean(1)
    open_mesh = keep_faces(mesh, (np.abs(middles[:, 2]) < 0.95) & (middles[:, 0] < 0.8))  # two small holes, a large one
    assert measure_topology(open_mesh).boundary_edges > 0
    part, closed = close_holes(open_mesh, 0.9)
    assert (closed.holes, closed.left_open) == (2, 1)
    whole, closed = close_holes(open_mesh, np.inf)
    topology = measure_topology(whole)
    assert topology.watertight
    assert topology.flipped_edges == topology.non_manifold_vertices == 0
    assert closed.holes == 3
    assert 2 * np.pi * 0.6 < closed.largest < 1.5 * 2 * np.pi * 0.6  # a jagged circle of radius 0.6 at x = 0.8
    assert len(part.faces) < len(whole.faces)


def test_branching_edges_and_pinched_vertices_are_undone_and_counted():
    mesh = sphere(1)
    fin = np.array([[*mesh.faces[0, :2], len(mesh.vertices)]])  # a third face at an edge
    small = Mesh(
        np.concatenate([mesh.vertices, 0.9 * mesh.vertices[mesh.faces[0, :2]].mean(0)[None]]),
        np.concatenate([mesh.faces, fin]),
    )
    pinched = together(small, sphere(1, (3, 0, 0)))
    last = len(pinched.vertices) - 1
    faces = np.where(pinched.faces == last, 0, pinched.faces)  # two spheres share a vertex
    result, changed = make_manifold(Mesh(pinched.vertices, faces))
    topology = measure_topology(result)
    assert topology.non_manifold_edges == topology.non_manifold_vertices == topology.boundary_edges == 0
    assert topology.components == 2
    assert (changed.dropped_faces, changed.split_vertices) == (1, 1)


def test_decimation_measures_how_far_the_surface_moved():
    mesh = sphere(4)
    fewer, deviation = decimate(mesh, 500, None)
    assert len(fewer.faces) <= 500
    assert deviation is not None
    inside = 1 - np.linalg.norm(fewer.vertices[fewer.faces].mean(1), axis=1)
    assert deviation.largest >= 0.9 * inside.max()
    assert measure_topology(fewer).watertight


def test_a_bound_on_the_deviation_wins_over_the_number_of_faces():
    mesh = sphere(4)
    fewer, deviation = decimate(mesh, 100, 0.01)
    assert deviation is not None
    assert deviation.largest <= 0.01
    assert 100 < len(fewer.faces) < len(mesh.faces) / 2
    assert decimate(mesh, None, 1e-7)[0] is mesh
    assert decimate(mesh, len(mesh.faces), None) == (mesh, None)


@pytest.mark.parametrize("count", [3, 4, 40])
def test_loops_of_any_length_are_closed(count):
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    rim = np.stack([np.cos(angle), np.sin(angle), 0 * angle], 1)
    ring = np.arange(count)
    cone = Mesh(np.concatenate([rim, [[0, 0, 1.0]]]), np.stack([ring, np.roll(ring, -1), np.full(count, count)], 1))
    topology = measure_topology(close_holes(cone, np.inf)[0])
    assert topology.watertight
    assert topology.flipped_edges == 0
