"""What stands before the mesh and is no part of it is not painted on it: by measured depths, and by the majority."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from splatkit.evaluation.mesh_rendering import MeshRenderer
from splatkit.export.texture import texturing
from splatkit.export.texture.consensus import Agreement, outvote
from splatkit.export.texture.settings import TextureSettings
from splatkit.export.texture.texturing import ColoredMesh, color_mesh
from splatkit.export.texture.visibility import Glance
from splatkit.geometry.camera import Camera
from splatkit.io.images import write_image
from splatkit.io.maps.depth_maps import write_depth_map, write_depth_sigmas
from splatkit.runs.views import RunView
from tests.export.texture.boards import board, look_down, ramp_errors, ramps

CAMERA = Camera("pinhole", 160, 120, 80.0, 80.0, 80.0, 60.0)
SETTINGS = TextureSettings(texture_size=512, unwrap_timeout_s=0)
BARE = replace(board(ramps), texture=None)
PLATE = board(lambda row, column: np.stack([0 * row, 0 * row, 0 * row + 230], -1), 0.5, 0.2)
PLACES = np.random.default_rng(1).uniform(-0.5, 0.5, (400, 2))


def photograph(folder: Path, name: str, x: float, y: float, height: float, with_plate: bool = True) -> RunView:
    """The board from above, with a plate over its middle that no mesh below has."""
    posed, path = look_down(CAMERA, x, y, height), folder / f"{name}.png"
    ground, plate = (MeshRenderer(mesh).render(posed) for mesh in (board(ramps), PLATE))
    covered = (plate.coverage > 0) & with_plate
    write_image(path, np.where(covered[..., None], plate.image, ground.image))
    np.save(path.with_suffix(".npy"), covered)
    return RunView(path, posed, CAMERA)


def measured(view: RunView, depths: Callable[[np.ndarray], np.ndarray]) -> RunView:
    """The view with z-depths [120, 160] made of where the plate covers it [120, 160], good to 5 mm."""
    z = depths(np.load(view.image_path.with_suffix(".npy")))
    depth, sigma = (view.image_path.with_name(f"{view.image_path.stem}_{kind}.png") for kind in ("depth", "sigma"))
    write_depth_map(depth, z)
    write_depth_sigmas(sigma, np.where(z > 0, 0.005, 0))
    return replace(view, depth_path=depth, depth_sigma_path=sigma)


def image(found: ColoredMesh) -> np.ndarray:
    assert found.mesh.texture is not None
    return found.mesh.texture.image


@pytest.fixture(scope="module")
def three(tmp_path_factory) -> list[RunView]:
    """Each place is seen by one of them at least without the plate before it, and by two at most with it."""
    folder = tmp_path_factory.mktemp("three")
    return [photograph(folder, f"{index}", x, 0.0, 1.5) for index, x in enumerate([-0.9, 0.0, 0.9])]


def test_what_was_measured_before_the_mesh_is_not_painted_on_it(three):
    """Only the plate has depths: 1 m of the 1.5 m to the board."""
    before = ramp_errors(color_mesh(BARE, three, SETTINGS).mesh, PLACES)
    views = [measured(view, lambda covered: np.where(covered, 1.0, 0.0)) for view in three]
    found = color_mesh(BARE, views, SETTINGS)
    assert (before > 100).mean() > 0.15
    assert ramp_errors(found.mesh, PLACES).max() < 6
    # 32 px and 4 more around, of all the board's 107 px; from the sides 24 of 32 px, of 85 of 107 px.
    whole = (32**2 + 4 * 32 * 4 + np.pi * 4**2) / 107**2
    cut = (24 * 32 + (24 + 24 + 32) * 4 + np.pi * 4**2 / 2) / (107 * 85)
    assert found.record["covered_share"] == pytest.approx((whole + cut + cut) / 3, rel=0.03)


def sparse(covered: np.ndarray) -> np.ndarray:
    """One pixel in 16, as of a LiDAR."""
    grid = np.zeros(covered.shape, bool)
    grid[::4, ::4] = True
    return np.where(grid, np.where(covered, 1.0, 1.5), 0.0)


def larger(covered: np.ndarray) -> np.ndarray:
    """Twice as many rows and columns as the photograph, one pixel of each four with a depth."""
    return np.kron(covered, [[0.0, 0.0], [0.0, 1.0]])


@pytest.mark.parametrize("depths", [sparse, larger])
def test_a_few_depths_of_what_covers_the_mesh_are_enough(three, depths):
    found = color_mesh(BARE, [measured(view, depths) for view in three], SETTINGS)
    assert ramp_errors(found.mesh, PLACES).max() < 10  # the very corner of the plate is 4.2 px from a depth


def lone(covered: np.ndarray) -> np.ndarray:
    """Every 16th of the pixels is far too near."""
    depths = np.full(covered.shape, 1.5)
    depths[::4, ::4] = 0.7
    return depths


@pytest.mark.parametrize(
    "depths",
    [
        lone,
        lambda covered: np.zeros(covered.shape),  # nothing was measured
        lambda covered: np.full(covered.shape, 1.5),  # the mesh is as far as was measured
        lambda covered: np.full(covered.shape, 1.4),  # within 8 footprints and 5 deviations, 0.15 + 0.025 m
        lambda covered: np.full(covered.shape, 3.0),  # what was measured lies behind
    ],
)
def test_other_depths_change_nothing(three, depths):
    before = color_mesh(BARE, three, SETTINGS)
    after = color_mesh(BARE, [measured(view, depths) for view in three], SETTINGS)
    assert after.record["covered_share"] == 0
    np.testing.assert_array_equal(image(after), image(before))


@pytest.fixture(scope="module")
def crowd(tmp_path_factory) -> list[RunView]:
    """Nine photographs, the three closest of which, all that are best at the middle, have the plate."""
    folder = tmp_path_factory.mktemp("crowd")
    close = [photograph(folder, f"close{i}", 0.1 * i - 0.1, 0.05 * i, 1.1) for i in range(3)]
    return close + [photograph(folder, f"far{i}", 0.2 * i - 0.5, 0.1, 1.6, with_plate=False) for i in range(6)]


def all_agree(views, mesh, workers, progress) -> Agreement:
    return Agreement([np.ones((2, 2), np.float32)] * len(views), 0.0)


def test_what_few_photographs_show_is_not_painted_on_the_mesh(crowd, monkeypatch):
    found = color_mesh(BARE, crowd, SETTINGS)
    assert ramp_errors(found.mesh, PLACES).max() < 6
    assert 0.02 < found.record["outvoted_share"] < 0.2
    monkeypatch.setattr(texturing, "find_agreement", all_agree)
    before = ramp_errors(color_mesh(BARE, crowd, SETTINGS).mesh, PLACES)
    assert (before > 100).mean() > 0.2


def test_photographs_that_agree_are_all_kept(crowd, monkeypatch):
    alike = [view for view in crowd if "far" in view.image_path.name]
    found = color_mesh(BARE, alike, SETTINGS)
    assert found.record["outvoted_share"] == 0
    monkeypatch.setattr(texturing, "find_agreement", all_agree)
    np.testing.assert_array_equal(image(found), image(color_mesh(BARE, alike, SETTINGS)))


def glances(colors: np.ndarray) -> list[Glance]:
    """Each view [V, P, 3] sees all points."""
    points, pixels = np.arange(colors.shape[1]), np.zeros((colors.shape[1], 2), np.float32)
    return [Glance(points, np.clip(shown + 0.5, 0, 255).astype(np.uint8), pixels) for shown in colors]


def test_the_minority_of_each_point_is_outvoted_whatever_the_exposures():
    rng = np.random.default_rng(0)
    true = rng.uniform(40, 140, (2000, 3))
    exposures = 2 ** rng.uniform(-0.4, 0.4, (9, 1, 1))
    colors = np.tile(true, (9, 1, 1)) * exposures + rng.normal(scale=3, size=(9, 2000, 3))
    foreign = np.zeros((9, 2000), bool)
    for view in range(3):
        foreign[view, rng.permutation(2000)[:300]] = True
    colors[foreign] = (true[np.nonzero(foreign)[1]] + 110) * exposures[np.nonzero(foreign)[0], 0]
    found, compared = outvote(glances(colors), 2000)
    np.testing.assert_array_equal(np.stack(found), foreign)
    assert compared == 9 * 2000


@pytest.mark.parametrize("spread", [10.0, 60.0, 250.0])
def test_half_of_the_photographs_of_a_point_stay_whatever_they_show(spread):
    """Colors that change with the direction, a little or entirely: more than one in twenty is never left out."""
    rng = np.random.default_rng(1)
    colors = 128 + spread * (rng.random((12, 3000, 3)) - 0.5)
    outvoted = np.stack(outvote(glances(colors), 3000)[0])
    assert outvoted.sum(0).max() <= 6
    assert outvoted.mean() < 0.05


def test_three_photographs_outvote_none():
    colors = np.full((3, 500, 3), 100.0)
    colors[0] += 100 * (np.arange(500) % 2)[:, None]
    assert not np.stack(outvote(glances(colors), 500)[0]).any()
