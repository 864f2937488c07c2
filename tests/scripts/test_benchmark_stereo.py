"""How the benchmark of stereo scores, how its peer finds depths; and that it runs."""

import math
from pathlib import Path

import numpy as np
import pytest

from benchmarks.stereo import measure
from benchmarks.stereo.cases import Case, Truth, opaque, with_defects
from benchmarks.stereo.peer import match_pair
from benchmarks.stereo.scoring import (
    score_background,
    score_cloud,
    score_depths,
    score_deviations,
    score_normals,
)
from splatkit.geometry.camera import Camera, PosedCamera
from splatkit.io.mesh import Mesh
from splatkit.stereo.carrying import ViewSurface

CAMERA = Camera("pinhole", 160, 120, 150.0, 150.0, 81.0, 59.0)
WALL = 2.915  # depth


def view(depths: list[float]) -> np.ndarray:
    return np.array([depths], np.float32)


def surface(depths: list[float], sigma: float = 1.0, background: float = 0.0) -> ViewSurface:
    found = view(depths)
    normals = np.zeros((*found.shape, 3), np.float32)
    normals[..., 2] = -1
    return ViewSurface(found, np.full_like(found, sigma), normals, np.full_like(found, background))


def test_depths_are_scored_by_what_is_there_and_no_farther_than_asked_for():
    truth = [Truth(view([1, 2, 4, 0, 0, 50]), None)]
    scores = score_depths([view([1.02, 0, 5, 3, 0, 9])], truth, farthest=30)
    assert scores["complete"] == pytest.approx(200 / 3)
    assert scores["error_median"] == pytest.approx((2 + 25) / 2, rel=1e-5)
    assert scores["wrong"] == pytest.approx(50)
    assert scores["false"] == pytest.approx(25)  # one of four, and none beyond 30 is wrong
    assert score_depths([view([1.02, 0, 5, 3, 0, 9])], truth)["complete"] == pytest.approx(75)


def test_views_count_by_their_pixels_and_nothing_found_is_no_error_of_zero():
    truths = [Truth(view([1, 1, 1]), None), Truth(view([1, 1, 0]), None)]
    assert score_depths([view([1, 1, 1]), view([0, 0, 0])], truths)["complete"] == pytest.approx(60)
    nothing = score_depths([view([0, 0, 0])] * 2, truths)
    assert nothing["complete"] == 0
    assert math.isnan(nothing["error_median"])


def test_deviations_normals_and_background_are_those_of_the_truth():
    normals = np.zeros((1, 4, 3))
    normals[..., 1] = 1  # of the world, toward a camera that looks along -y
    truths = [Truth(view([1, 1, 1, 0]), normals)]
    posed = PosedCamera("a", CAMERA, np.array([[-1.0, 0, 0, 0], [0, 0, -1, 0], [0, -1, 0, 0], [0, 0, 0, 1]]))
    found = [surface([1.5, 1.5, 1.5, 1], sigma=0.5, background=0.9)]
    assert score_deviations(found, truths, np.inf) == pytest.approx({"deviations_68": 1, "deviations_95": 1})
    assert score_normals(found, truths, [posed]) == pytest.approx({"normals_median": 0, "normals_90": 0}, abs=0.1)
    assert score_normals(found, [Truth(truths[0].depths, None)], [posed]) == {}
    assert score_background(found, truths) == {"background_found": 100, "surface_kept": 0}
    assert score_background([surface([0, 0, 0, 0])], truths) == {"background_found": 0, "surface_kept": 100}


def test_points_are_scored_by_their_distance_to_the_mesh():
    mesh = Mesh(np.array([[-9.0, -9, 0], [9, -9, 0], [0, 9, 0]]), np.array([[0, 1, 2]]))
    points = np.array([[0, 0, 0.001], [0, 0.1, -0.002], [0.1, 0, 0.003]])
    assert score_cloud(points, mesh)["fused_median"] == pytest.approx(2, rel=1e-3)


def test_clear_pixels_show_the_backdrop():
    image = np.array([[[1, 0, 0, 1], [1, 0, 0, 0.5], [1, 0, 0, 0]]], np.float32)
    shown = opaque(image, np.array([0, 0.5, 1], np.float32))
    np.testing.assert_allclose(shown, np.array([[[1, 0, 0], [0.5, 0.25, 0.5], [0, 0.5, 1]]]))
    np.testing.assert_array_equal(opaque(image[..., :3], np.zeros(3, np.float32)), image[..., :3])


def test_defects_are_as_large_as_stated():
    rng = np.random.default_rng(1)
    gray = np.full((100, 100, 3), 0.5)
    taken = [255 * with_defects(gray, rng) for _ in range(40)]
    assert np.mean([image.std() for image in taken]) == pytest.approx(2, rel=0.05)
    gains = np.array([image.mean() for image in taken]) / 127.5
    assert gains.min() > 0.89
    assert gains.max() < 1.11
    assert np.ptp(gains) > 0.1


@pytest.mark.parametrize("side", [-1, 1], ids=["left", "right"])
def test_the_peer_finds_the_depth_of_a_wall(side: int):
    """A texture, seen from 0.3 beside and turned toward, where disparities are whole pixels to a hundredth or two."""
    rng = np.random.default_rng(0)
    waves, phases = rng.normal(size=(40, 2)) * 25, rng.uniform(0, 2 * np.pi, 40)
    angle = -side * 0.08
    turned = np.eye(4)
    turned[:3, :3] = [[math.cos(angle), 0, math.sin(angle)], [0, 1, 0], [-math.sin(angle), 0, math.cos(angle)]]
    turned[0, 3] = side * 0.3
    cameras = (PosedCamera("a", CAMERA, np.eye(4)), PosedCamera("b", CAMERA, turned))
    y, x = np.mgrid[: CAMERA.height, : CAMERA.width] + 0.5
    grays = []
    for posed in cameras:
        origins, directions = posed.rays(np.stack([x.ravel(), y.ravel()], -1))
        places = (origins + directions * ((WALL - origins[:, 2]) / directions[:, 2])[:, None])[:, :2]
        texture = np.sin(places @ waves.T + phases).sum(-1).reshape(x.shape)
        grays.append(np.clip(127 + 20 * texture, 0, 255).astype(np.uint8))
    found = match_pair((grays[0], grays[1]), cameras, (2.0, 6.0))
    assert found is not None
    errors = np.abs(found.depths[found.depths > 0] / WALL - 1)
    assert len(errors) > 0.4 * found.depths.size
    assert np.median(errors) < 0.004  # 0.06 px


def test_the_peer_takes_no_pair_of_which_one_stands_above_the_other():
    above = np.eye(4)
    above[1, 3] = -0.3
    gray = np.zeros((120, 160), np.uint8)
    assert (
        match_pair((gray, gray), (PosedCamera("a", CAMERA, np.eye(4)), PosedCamera("b", CAMERA, above)), (1, 9)) is None
    )


@pytest.mark.slow
def test_a_small_scene_is_measured(tmp_path: Path):
    records = measure.measure_case(Case("pebbles", defects=True), tmp_path, 96, 72, 12)
    names = {entry.name for entry in records}
    assert {"complete", "error_90", "false", "normals_90", "surface_kept", "fused_90", "bytes_per_pixel"} <= names
    assert all(math.isfinite(entry.median) for entry in records)
    assert {entry.params["case"] for entry in records} == {"pebbles, noise and gain"}
    phases = [entry.params for entry in records if entry.name == "phase_s"]
    assert len({(p["threads"], p["phase"], p["clock"]) for p in phases}) == len(phases) == 16
