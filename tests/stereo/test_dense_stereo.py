"""The whole of stereo on a room of which all is known: right, the same bits however it ran, and nothing made up.

Bounds leave room around what 6 to 16 seeds of the random numbers gave, which stands beside them; instruction sets all
give the same bits.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from splatkit.errors import DatasetError
from splatkit.geometry.camera import Camera, PosedCamera
from splatkit.io.images import read_image, write_image
from splatkit.io.transforms_json import Frame
from splatkit.progress import Progress
from splatkit.stereo import matching
from splatkit.stereo.carrying import ViewSurface
from splatkit.stereo.dense_stereo import DenseStereo, StereoInput, compute_stereo
from splatkit.stereo.fusion import fuse_views
from splatkit.stereo.passes import plan_passes
from splatkit.stereo.pixel_grid import pixel_centers
from splatkit.stereo.settings import StereoSettings
from tests.room import TARGET, look_at, on_surface, photograph_room

VIEWS, SIZE = 8, (120, 90)
NORMALS = np.array([[0.0, 0, 1], [0, -1, 0], [-1, 0, 0]])


@dataclass(frozen=True)
class Errors:
    """Of all views together."""

    complete: np.ndarray  # [N] share of each view's pixels that have a depth
    relative: np.ndarray  # [K] of depths
    sigmas: np.ndarray  # [K] errors in deviations
    degrees: np.ndarray  # [K] of normals


class InterruptionError(Exception):
    """By whoever watches the progress."""


def truth(posed: PosedCamera) -> tuple[np.ndarray, np.ndarray]:
    """z-depths [h, w] and world normals [h, w, 3] of the room, of a camera with any lens."""
    camera = posed.camera
    origins, directions = posed.rays(pixel_centers(camera, slice(0, camera.height)))
    with np.errstate(divide="ignore"):
        depths = (np.array([4.0, 2.0, 0.0])[[2, 0, 1]] - origins[:, [2, 1, 0]]) / directions[:, [2, 1, 0]]
    depths[depths <= 0] = np.inf
    size = (camera.height, camera.width)
    return depths.min(1).reshape(size), NORMALS[depths.argmin(1)].reshape(*size, 3)


def errors_of(surfaces: list[ViewSurface], cameras: list[PosedCamera]) -> Errors:
    parts = []
    for surface, posed in zip(surfaces, cameras, strict=True):
        (depths, normals), there = truth(posed), surface.depths > 0
        error = np.abs(surface.depths - depths)[there]
        facing = (surface.normals[there] @ posed.T_world_camera[:3, :3].T * normals[there]).sum(-1)
        angles = np.degrees(np.arccos(np.clip(facing, -1, 1)))
        parts.append((error / depths[there], error / surface.sigmas[there], angles, there.mean()))
    relative, sigmas, degrees, complete = zip(*parts, strict=True)
    return Errors(np.array(complete), np.concatenate(relative), np.concatenate(sigmas), np.concatenate(degrees))


def room_frames(folder: Path, size: tuple[int, int] = SIZE, count: int = VIEWS) -> list[Frame]:
    room = photograph_room(folder, count, size)
    camera = Camera("pinhole", *size, *room.K[[0, 1, 0, 1], [0, 1, 2, 2]].tolist())
    return [
        Frame(PosedCamera(name, camera, pose), folder / name) for name, pose in zip(room.names, room.poses, strict=True)
    ]


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> list[Frame]:
    return room_frames(tmp_path_factory.mktemp("room"))


@pytest.fixture(scope="module")
def found(frames: list[Frame], tmp_path_factory: pytest.TempPathFactory) -> DenseStereo:
    with threads(1):
        return compute_stereo(StereoInput(frames), StereoSettings(), tmp_path_factory.mktemp("work"))


@contextmanager
def threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    yield
    torch.set_num_threads(before)


def surfaces_of(dense: DenseStereo) -> list[ViewSurface]:
    return [dense.surface(view) for view in range(len(dense.frames))]


def assert_same_bits(first: DenseStereo, second: DenseStereo) -> None:
    for a, b in zip(surfaces_of(first), surfaces_of(second), strict=True):
        for name, values in vars(a).items():
            np.testing.assert_array_equal(values, vars(b)[name])


def test_depths_and_normals_are_right_nearly_everywhere(found: DenseStereo):
    errors = errors_of(surfaces_of(found), list(found.cameras))
    assert errors.complete.min() > 0.8  # 0.84 to 0.85; at the border of views there is no other view
    assert errors.complete.mean() > 0.9  # 0.93
    assert np.median(errors.relative) < 6e-4  # 3.8e-4 to 4.1e-4
    assert np.percentile(errors.relative, 90) < 4.5e-3  # 2.9e-3 to 3.1e-3
    assert (errors.relative > 0.05).mean() < 1e-3
    assert np.median(errors.degrees) < 1.8  # 1.1 to 1.2
    assert np.percentile(errors.degrees, 90) < 9  # 6.0 to 6.6


def test_deviations_are_as_large_as_errors(found: DenseStereo):
    errors = errors_of(surfaces_of(found), list(found.cameras))
    assert 0.5 < np.percentile(errors.sigmas, 68) < 1.5  # 0.81 to 0.85
    assert 1.0 < np.percentile(errors.sigmas, 95) < 3.0  # 1.9 to 2.0


def test_walls_with_texture_are_no_background(found: DenseStereo):
    assert not any(surface.background.any() for surface in surfaces_of(found))


def test_the_fused_cloud_lies_on_the_room(found: DenseStereo):
    fused = fuse_views(found, 1000)
    distances = on_surface(fused.dense.points)
    assert len(distances) > 7000  # 9174 to 9234
    assert len(fused.seed.points) == 1000
    assert np.median(distances) < 0.002  # 0.001; the room is 4 wide
    assert np.percentile(distances, 90) < 0.012  # 0.007


def test_photographs_that_are_not_distorted_have_the_same_pixels(found: DenseStereo):
    surface, carried = found.surface(3), found.photograph_surface(3)
    assert found.colors(3).shape == (*surface.depths.shape, 3)
    np.testing.assert_array_equal(carried.depths > 0, surface.depths > 0)
    np.testing.assert_allclose(carried.depths, surface.depths, rtol=1e-5)


def test_two_threads_find_the_same_bits(frames: list[Frame], found: DenseStereo, tmp_path: Path):
    with threads(2):
        again = compute_stereo(StereoInput(frames), StereoSettings(), tmp_path)
    assert_same_bits(found, again)


def test_another_seed_finds_other_bits_of_the_same_quality(frames: list[Frame], found: DenseStereo, tmp_path: Path):
    other = compute_stereo(StereoInput(frames), StereoSettings(seed=1), tmp_path)
    with pytest.raises(AssertionError):
        assert_same_bits(found, other)
    for view, surface in enumerate(surfaces_of(other)):
        assert abs((surface.depths > 0).mean() - (found.surface(view).depths > 0).mean()) < 0.03


def interrupting(work: str, after: int) -> Progress:
    """A progress that gives up once so many parts of this work are done."""

    @contextmanager
    def progress(label: str, total: int) -> Iterator[Callable[[int], None]]:
        done = 0

        def advance(count: int) -> None:
            nonlocal done
            done += count
            if label == work and done >= after:
                raise InterruptionError

        yield advance

    return progress


def test_interrupted_runs_go_on_where_they_were(
    frames: list[Frame], found: DenseStereo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    calls = {"match_planes": 0, "check_agreement": 0}

    def count(name: str) -> None:
        op = getattr(matching, name)

        def counted(*arguments: Any, **settings: Any) -> Any:
            calls[name] += 1
            return op(*arguments, **settings)

        monkeypatch.setattr(matching, name, counted)

    for name in calls:
        count(name)
    matched = len(plan_passes(min(SIZE))) * VIEWS
    for label, after, expected in (
        ("matching views", 3, 3),
        ("matching views", VIEWS + 2, VIEWS + 2),
        ("matching views", 3 * VIEWS, 3 * VIEWS),
        ("checking depths", 2, matched),
        ("looking for the background", 5, matched + 5),
    ):
        with pytest.raises(InterruptionError):
            compute_stereo(StereoInput(frames), StereoSettings(), tmp_path, interrupting(label, after))
        assert calls["match_planes"] == expected
    for _ in range(2):  # the second time nothing is left to do
        assert_same_bits(found, compute_stereo(StereoInput(frames), StereoSettings(), tmp_path))
        assert calls == {"match_planes": matched + VIEWS, "check_agreement": 2 * VIEWS}  # at two scales


@pytest.fixture(scope="module")
def unlucky(frames: list[Frame], tmp_path_factory: pytest.TempPathFactory) -> DenseStereo:
    """The room with points of it, one photograph more that looks away, and one with a mask."""
    folder = tmp_path_factory.mktemp("unlucky")
    write_image(folder / "away.png", np.random.default_rng(0).integers(0, 255, (SIZE[1], SIZE[0], 3)).astype(np.uint8))
    mask = np.ones((SIZE[1], SIZE[0]), np.uint8)
    mask[:, :40] = 0
    write_image(folder / "mask.png", mask)
    away = look_at(np.array([0.0, -1, 1]), np.array([0.0, -9, 1]))
    masked = replace(frames[2], mask_path=folder / "mask.png")
    extra = Frame(PosedCamera("away.png", frames[0].camera, away), folder / "away.png")
    points = np.concatenate([posed_points(frame.posed) for frame in frames])
    given = StereoInput([*frames[:2], masked, *frames[3:], extra], points)
    return compute_stereo(given, StereoSettings(), folder / "work")


def posed_points(posed: PosedCamera, step: int = 8) -> np.ndarray:
    """Some points [K, 3] that a camera sees."""
    depths = truth(posed)[0]
    pixels = pixel_centers(posed.camera, slice(0, posed.camera.height))[:: step**2 + 1]
    origins, directions = posed.rays(pixels)
    return origins + directions * depths.reshape(-1, 1)[:: step**2 + 1]


def test_a_view_that_looks_away_is_left_out_and_others_are_fine(unlucky: DenseStereo):
    assert unlucky.plan.matched == list(range(VIEWS))
    for surface in (unlucky.surface(VIEWS), unlucky.photograph_surface(VIEWS)):
        assert surface.depths.shape == SIZE[::-1]
        assert not any(values.any() for values in vars(surface).values())
    errors = errors_of(surfaces_of(unlucky)[:VIEWS], list(unlucky.cameras)[:VIEWS])
    assert np.delete(errors.complete, 2).min() > 0.8  # 0.85
    assert np.median(errors.relative) < 6e-4  # 4.0e-4 to 4.1e-4
    assert (errors.relative > 0.05).mean() < 1e-3


def test_masked_pixels_have_no_depth(unlucky: DenseStereo):
    surface = unlucky.photograph_surface(2)
    assert not surface.depths[:, :40].any()
    assert not surface.background[:, :40].any()
    assert (surface.depths[:, 44:] > 0).mean() > 0.92  # 0.96


def test_photographs_taken_from_one_place_are_refused(frames: list[Frame], tmp_path: Path):
    same = [Frame(replace(frame.posed, T_world_camera=frames[0].T_world_camera), frame.image_path) for frame in frames]
    with pytest.raises(DatasetError, match="none of the 8 photographs overlaps"):
        compute_stereo(StereoInput(same), StereoSettings(), tmp_path)


def test_photographs_that_share_no_points_are_refused(frames: list[Frame], tmp_path: Path):
    with pytest.raises(DatasetError, match="none of the 8 photographs overlaps"):
        compute_stereo(StereoInput(frames, np.tile(TARGET - (0, 90, 0), (50, 1))), StereoSettings(), tmp_path)


def distorted(frame: Frame, lens: Camera, folder: Path) -> Frame:
    """The photograph as another lens would have taken it, from the same place."""
    x, y = frame.camera.image(lens.rays(pixel_centers(lens, slice(0, lens.height)))).T
    x, y = ((values - 0.5).reshape(lens.height, lens.width).astype(np.float32) for values in (x, y))
    path = folder / frame.image_path.name
    write_image(path, np.asarray(cv2.remap(read_image(frame.image_path), x, y, cv2.INTER_CUBIC)))
    return Frame(replace(frame.posed, camera=lens), path)


def test_distorted_photographs_get_depths_at_their_own_pixels(tmp_path: Path):
    width, height = SIZE
    lens = Camera("brown_conrady", width, height, 1.2 * width, 1.21 * width, 61.0, 44.0, (-0.25, 0.04, 0.001, 0.0))
    wide = room_frames(tmp_path / "wide", (2 * width, 2 * height))
    taken = [distorted(frame, lens, tmp_path) for frame in wide]
    dense = compute_stereo(StereoInput(taken), StereoSettings(), tmp_path / "work")
    carried = [dense.photograph_surface(view) for view in range(VIEWS)]
    assert carried[0].depths.shape == (height, width)
    errors = errors_of(carried, [frame.posed for frame in taken])
    assert np.median(errors.relative) < 5e-4  # 3.0e-4 to 3.1e-4
    assert (errors.relative > 0.05).mean() < 1e-3
    assert errors.complete.mean() > 0.87  # 0.91 to 0.92
    assert np.median(errors.degrees) < 1.8  # 1.0 to 1.2
    # a lens taken for a pinhole would be wrong at the corners
    wrong = [replace(frame.posed, camera=replace(lens, model="pinhole", distortion=())) for frame in taken]
    assert np.median(errors_of(carried, wrong).relative) > 5 * np.median(errors.relative)  # 10 times
