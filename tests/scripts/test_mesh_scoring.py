"""Scores of meshes, by hand: a square above its truth, holes, scenery, and surfaces where nothing is."""

import numpy as np
import pytest

from splatkit.geometry.camera import Camera, PosedCamera
from splatkit.geometry.se3 import compose
from splatkit.io.mesh import Mesh
from studies.meshes.scoring import score_mesh

VOXEL = 0.1
FACES = np.array([[0, 1, 2], [0, 2, 3]])


def square(z: float, half: float = 1.0, x: float = 0.0) -> Mesh:
    """In the plane z, facing up."""
    corners = np.array([[-half, -half, z], [half, -half, z], [half, half, z], [-half, half, z]])
    return Mesh(corners + np.array([x, 0, 0]), FACES)


def joined(*meshes: Mesh) -> Mesh:
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([mesh.faces + 4 * index for index, mesh in enumerate(meshes)]),
    )


@pytest.fixture(scope="module")
def cameras() -> list[PosedCamera]:
    """Three that look down on everything."""
    camera, down = Camera("pinhole", 100, 100, 20.0, 20.0, 50.0, 50.0), np.diag([1.0, -1.0, -1.0])
    return [PosedCamera("above", camera, compose(down, np.array([x, 0.0, 3.0]))) for x in (-0.2, 0.0, 0.2)]


def test_the_truth_is_perfect(cameras):
    scores = score_mesh(square(0), square(0), cameras, VOXEL)
    assert scores.pop("f_0.5") == scores.pop("f_1") == scores.pop("f_2") == scores.pop("complete") == 1
    assert scores == pytest.approx(
        dict.fromkeys(scores, 0.0), abs=0.1
    )  # angles between equal normals: arccos in float32
    assert scores["chamfer"] < 1e-5


def test_a_surface_that_is_one_and_a_half_voxels_off(cameras):
    scores = score_mesh(square(1.5 * VOXEL), square(0), cameras, VOXEL)
    assert scores["chamfer"] == pytest.approx(1.5, abs=1e-4)
    assert (scores["f_0.5"], scores["f_1"], scores["f_2"], scores["complete"]) == (0, 0, 1, 1)
    assert scores["astray"] == 1  # 0.15 is more than a hundredth of the diagonal


def test_what_lacks_and_what_is_turned_away(cameras):
    turned = Mesh(square(0, 0.5).vertices, FACES[:, ::-1])
    scores = score_mesh(turned, square(0), cameras, 0.05)
    # Within two voxels of a quarter of the truth: 0.6^2, less the corners' 0.04 - 0.01 pi.
    assert scores["complete"] == pytest.approx(0.36 - (0.04 - 0.01 * np.pi) / 4, abs=0.01)
    assert scores["to_truth_median"] == pytest.approx(180, abs=0.1)
    assert scores["from_truth_mean"] == pytest.approx(180, abs=0.1)


def test_a_false_surface_counts_as_astray_however_far_it_is(cameras):
    truth, sky = square(0), square(-40.0, half=3.0)
    far, all_of_it = (score_mesh(joined(truth, sky), truth, cameras, VOXEL, farthest) for farthest in (20.0, None))
    assert far["astray"] == all_of_it["astray"] == pytest.approx(36 / 40, abs=0.005)
    assert far["chamfer"] < 1e-5
    assert all_of_it["chamfer"] == pytest.approx(0.9 * 40 / 2 / VOXEL, rel=0.02)


def test_scenery_need_not_be_there(cameras):
    truth = joined(square(0), square(0, half=1.0, x=6.0))
    near, everything = (score_mesh(square(0), truth, cameras, VOXEL, farthest) for farthest in (5.0, None))
    assert near["complete"] == 1
    assert everything["complete"] == pytest.approx(0.5, abs=0.01)


def test_what_no_two_cameras_see_need_not_be_there(cameras):
    hidden = Mesh(square(-0.5).vertices, FACES)
    assert score_mesh(square(0), joined(square(0), hidden), cameras, VOXEL)["complete"] == pytest.approx(1, abs=0.1)


def test_no_mesh_at_all_is_the_worst(cameras):
    scores = score_mesh(Mesh(np.zeros((0, 3)), np.zeros((0, 3), np.int64)), square(0), cameras, VOXEL)
    assert scores["f_2"] == scores["complete"] == 0
    assert np.isnan(scores["chamfer"])
