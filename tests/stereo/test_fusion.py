"""One cloud of all views: exact where depths are, of what two views agree on, fine where they were near."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from splatkit.errors import DatasetError
from splatkit.geometry.camera import Camera, PosedCamera
from splatkit.io.transforms_json import Frame
from splatkit.stereo.dense_stereo import DenseStereo
from splatkit.stereo.fusion import fuse_views
from splatkit.stereo.matching import ViewPlan
from splatkit.stereo.pixel_grid import pixel_centers
from splatkit.stereo.store import ViewStore
from splatkit.stereo.working_views import WorkingImage
from tests.stereo.scenes import PINHOLE, look

CAMERA = PINHOLE.scaled(80, 60)
ALL = 10**6  # more points than there are
SHIFT = np.array([3e5, 5e6, 100.0])  # of coordinates as a survey has them


@dataclass(frozen=True)
class Seen:
    """A view that looks down at a level plane and measured all of it."""

    place: tuple[float, float, float]
    color: int = 100
    sigma: float = 0.01
    height: float = 0.0  # where the plane seems to be
    known: float = 1.0  # share of the columns that have a depth


def posed_at(place: Sequence[float], shift: np.ndarray) -> PosedCamera:
    """Above the plane, looking down at a point beside that below it."""
    x, y, z = place
    posed = look(place, (x, y + 0.3 * z, 0), CAMERA)
    T = posed.T_world_camera.copy()
    T[:3, 3] += shift
    return PosedCamera(posed.name, CAMERA, T)


def plane_depths(posed: PosedCamera, z: float) -> np.ndarray:
    """[h, w] of the plane z of the world."""
    origins, directions = posed.rays(pixel_centers(posed.camera, slice(0, posed.camera.height)))
    return ((z - origins[:, 2]) / directions[:, 2]).reshape(posed.camera.height, posed.camera.width)


def dense(folder: Path, views: Sequence[Seen], shift: np.ndarray | None = None) -> DenseStereo:
    """As stereo would leave it behind."""
    shift = np.zeros(3) if shift is None else shift
    cameras = [posed_at(view.place, shift) for view in views]
    frames = [Frame(posed, folder / "none.png") for posed in cameras]
    others = [[other for other in range(len(views)) if other != view] for view in range(len(views))]
    store = ViewStore(folder, frames, cameras)
    for number, (view, posed) in enumerate(zip(views, cameras, strict=True)):
        depths = plane_depths(posed, view.height + shift[2]).astype(np.float32)
        depths[:, int(view.known * CAMERA.width) :] = 0
        there = depths > 0
        normals = np.where(there[..., None], posed.T_world_camera[2, :3].astype(np.float32), np.float32(0))
        sigmas = np.where(there, np.float32(view.sigma), np.float32(0))
        store.keep_arrays("judged", number, {"depths": depths, "sigmas": sigmas, "normals": normals})
        store.keep_arrays("background", number, {"background": np.zeros_like(depths)})
        gray = np.full(depths.shape, view.color, np.uint8)
        image = WorkingImage(np.dstack([gray] * 3), gray, np.ones_like(there), np.zeros_like(there))
        store.keep_arrays("image", number, vars(image))
    return DenseStereo(frames, ViewPlan(others, others, np.ones((len(views), 2))), store)


def footprint(height: float, camera: Camera = CAMERA) -> float:
    return height / camera.fx


def test_two_views_of_a_plane_give_points_on_it_with_its_normal_and_their_colors(tmp_path: Path):
    views = [Seen((0, 0, 2), color=100), Seen((0.3, 0, 2), color=140)]
    fused = fuse_views(dense(tmp_path, views), ALL)
    cloud = fused.dense
    assert cloud.normals is not None
    assert cloud.colors is not None
    assert len(cloud.points) > 500
    np.testing.assert_allclose(cloud.points[:, 2], 0, atol=1e-6)
    np.testing.assert_allclose(cloud.normals, np.broadcast_to([0, 0, 1], cloud.normals.shape), atol=1e-6)
    assert cloud.colors.min() >= 100
    assert cloud.colors.max() <= 140
    assert abs(float(np.median(cloud.colors)) - 120) < 8
    assert footprint(1.5) < fused.cell < 2 * footprint(2.5)
    assert len(np.unique(cloud.points, axis=0)) == len(cloud.points)


def test_points_far_from_the_origin_are_as_exact(tmp_path: Path):
    views = [Seen((0, 0, 2)), Seen((0.3, 0, 2))]
    here, there = (fuse_views(dense(tmp_path / str(i), views, i * SHIFT), ALL).dense for i in range(2))
    assert here.points.dtype == there.points.dtype == np.float64
    np.testing.assert_allclose(there.points[:, 2], SHIFT[2], atol=1e-6)
    assert abs(len(there.points) / len(here.points) - 1) < 0.02


def test_what_one_view_alone_sees_is_left_out(tmp_path: Path):
    both = fuse_views(dense(tmp_path / "both", [Seen((0, 0, 2)), Seen((0, 0.01, 2))]), ALL).dense
    half = fuse_views(dense(tmp_path / "half", [Seen((0, 0, 2)), Seen((0, 0.01, 2), known=0.5)]), ALL).dense
    assert 0.4 < len(half.points) / len(both.points) < 0.6
    assert half.points[:, 0].max() < 0.1  # the left half


@pytest.mark.parametrize(
    "second", [Seen((0.3, 0, 2), known=0), Seen((0.3, 0, 2), height=-0.5)], ids=["one view alone", "contradiction"]
)
def test_views_that_do_not_agree_on_anything_are_refused(second: Seen, tmp_path: Path):
    with pytest.raises(DatasetError, match="no two photographs agree"):
        fuse_views(dense(tmp_path, [Seen((0, 0, 2)), second]), ALL)


def test_no_depth_at_all_is_refused(tmp_path: Path):
    with pytest.raises(DatasetError, match="no depth was found"):
        fuse_views(dense(tmp_path, [Seen((0, 0, 2), known=0), Seen((0.3, 0, 2), known=0)]), ALL)


def test_a_view_that_is_surer_counts_for_more(tmp_path: Path):
    """A hundred times for a tenth of the deviation; both planes lie in the same cells, whose sides are 0.038."""
    views = [Seen((0, 0, 2), sigma=0.001), Seen((0, 0.001, 2.1), sigma=0.01, height=-0.01)]
    heights = fuse_views(dense(tmp_path, views), ALL).dense.points[:, 2]
    assert np.median(heights) == pytest.approx(-0.01 / 101, abs=5e-6)


def test_near_views_keep_their_detail_and_far_ones_fill_in_around(tmp_path: Path):
    near = [Seen((0, 0, 2)), Seen((0.1, 0, 2))]
    far = [Seen((0, -2, 8), color=200), Seen((0.1, -2, 8), color=200)]
    alone = fuse_views(dense(tmp_path / "near", near), ALL).dense
    fused = fuse_views(dense(tmp_path / "both", near + far), ALL)
    cloud, fine = fused.dense, alone.points
    assert cloud.colors is not None
    inside = ((cloud.points > fine.min(0) + 0.1) & (cloud.points < fine.max(0) - 0.1))[:, :2].all(1)
    assert inside.sum() > 300
    assert (cloud.colors[inside] == 100).all()  # no coarse point lies among fine ones
    outside = ((cloud.points < fine.min(0) - 0.3) | (cloud.points > fine.max(0) + 0.3))[:, :2].any(1)
    assert (cloud.colors[outside] == 200).all()
    assert outside.sum() > 300
    density = [len(points) / np.prod(np.ptp(points, axis=0)[:2]) for points in (fine, cloud.points[outside])]
    assert density[0] > 4 * density[1]


def test_the_seed_is_an_even_part_of_the_points(tmp_path: Path):
    data = dense(tmp_path, [Seen((0, 0, 2)), Seen((0.1, 0, 2))])
    fused = fuse_views(data, 100)
    assert len(fused.seed.points) == 100
    rows = {tuple(point): number for number, point in enumerate(fused.dense.points)}
    picked = [rows[tuple(point)] for point in fused.seed.points]
    assert fused.seed.colors is not None
    assert fused.seed.normals is not None
    assert fused.dense.normals is not None
    np.testing.assert_array_equal(fused.seed.normals, fused.dense.normals[picked])
    steps = np.diff(picked)
    assert steps.max() - steps.min() <= 1
    assert fuse_views(data, ALL).seed is not None
    assert len(fuse_views(data, ALL).seed.points) == len(fused.dense.points)


def test_a_plane_that_two_views_put_on_both_sides_of_a_cell_border_stays(tmp_path: Path):
    # Cells begin at the mean of the cameras' places: one of them ends at the level of that, minus whole cells.
    cell = fuse_views(dense(tmp_path / "level", [Seen((0, 0, 2)), Seen((0.3, 0, 2))]), ALL).cell
    border = 2 - cell * np.floor(2 / cell)
    views = [Seen((0, 0, 2), height=border - 0.05 * cell), Seen((0.3, 0, 2), height=border + 0.05 * cell)]
    cloud = fuse_views(dense(tmp_path / "border", views), ALL).dense
    overlap = (cloud.points[:, 0] > -0.5) & (cloud.points[:, 0] < 0.5) & (np.abs(cloud.points[:, 1] - 0.6) < 0.3)
    across = np.unique(np.floor(cloud.points[overlap, :2] / (2 * cell)), axis=0)
    assert len(across) > 0.95 * (1.0 / (2 * cell)) * (0.6 / (2 * cell))
