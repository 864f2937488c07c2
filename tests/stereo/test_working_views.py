"""Working images: what they show, how finely, and that nothing is shifted."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from splatkit.errors import DatasetError, SettingsError
from splatkit.geometry.camera import Camera, PosedCamera
from splatkit.io.images import write_image
from splatkit.io.transforms_json import Frame
from splatkit.stereo.working_views import load_working_image, working_camera
from tests.stereo.scenes import BROWN, FISHEYE, HEMISPHERE, PINHOLE, look

PINCUSHION = replace(BROWN, distortion=(0.12, 0.0, 0.0, 0.0))
LENSES = [PINHOLE, BROWN, PINCUSHION, FISHEYE, HEMISPHERE]
PERIOD_PX = 16.0
NAMES = ["pinhole", "barrel", "pincushion", "fisheye", "hemisphere"]
all_lenses = pytest.mark.parametrize("lens", LENSES, ids=NAMES)


def frame_of(lens: Camera, path: Path = Path("a.png"), mask: Path | None = None) -> Frame:
    return Frame(look((1, 2, 3), camera=lens), path, mask)


def centers(camera: Camera) -> np.ndarray:
    """[h, w, 2] px."""
    return np.stack(np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5), -1)


def written(folder: Path, image: np.ndarray, name: str = "a.png") -> Path:
    write_image(folder / name, image)
    return folder / name


@all_lenses
@pytest.mark.parametrize("longest", [97, 200, 10_000])
def test_working_cameras_show_what_lies_inside_of_the_photograph(lens: Camera, longest: int):
    posed = working_camera(frame_of(lens), longest)
    camera = posed.camera
    assert camera.model == "pinhole"
    np.testing.assert_array_equal(posed.T_world_camera, look((1, 2, 3)).T_world_camera)
    rays = camera.unproject(centers(camera).reshape(-1, 2), np.ones(camera.width * camera.height))
    assert lens.project(rays)[1].all()
    assert abs(camera.fx / camera.fy / (lens.fx / lens.fy) - 1) < 1 / min(camera.width, camera.height)
    if longest < 10_000:
        assert max(camera.width, camera.height) == longest
    else:  # not enlarged
        assert camera.fx == pytest.approx(lens.fx, rel=1 / camera.width)


def test_views_to_the_side_end_where_a_pinhole_has_little_to_show():
    camera = working_camera(frame_of(HEMISPHERE), 10_000).camera
    edges = camera.tangents(np.array([[0.0, 0.0], [camera.width, camera.height]]))
    np.testing.assert_allclose(np.degrees(np.arctan(edges)), [[-58, -58], [58, 58]])
    assert camera.fx == pytest.approx(HEMISPHERE.fx, rel=1e-3)


@given(width=st.integers(1, 500), height=st.integers(1, 500), longest=st.integers(1, 600))
def test_working_images_of_pinholes_are_the_whole_photograph(width: int, height: int, longest: int):
    lens = Camera("pinhole", width, height, 400.0, 410.0, 0.4 * width, 0.55 * height)
    camera = working_camera(frame_of(lens), longest).camera
    expected = lens.scaled(camera.width, camera.height)
    np.testing.assert_allclose(camera.K, expected.K, rtol=1e-12, atol=1e-9)
    assert max(camera.width, camera.height) == min(longest, max(width, height))


@pytest.mark.parametrize("model", ["equirectangular", "orthographic"])
def test_images_that_are_no_pinhole_views_are_refused(model):
    frame = Frame(PosedCamera("left/a.png", Camera(model, 80, 40, 12.0, 12.0, 40.0, 20.0), np.eye(4)), Path("a.png"))
    with pytest.raises(DatasetError, match=rf"left/a.png: .*{model}"):
        working_camera(frame, 100)


def test_sizes_below_one_pixel_are_refused():
    with pytest.raises(SettingsError, match="longest_side"):
        working_camera(frame_of(PINHOLE), 0)


@all_lenses
@pytest.mark.parametrize("axis", [0, 1], ids=["across", "down"])
@pytest.mark.parametrize("longest", [100, 160, 217, 10_000])
def test_nothing_is_shifted(lens: Camera, axis: int, longest: int, tmp_path: Path):
    """Colors are waves over the rays, so those of a working image say which rays its pixels saw."""
    camera = working_camera(frame_of(lens), longest).camera
    waves = (camera.fx, camera.fy)[axis] / PERIOD_PX  # in a tangent of 1
    rays = np.nan_to_num(lens.tangents(centers(lens).reshape(-1, 2))[:, axis]).reshape(lens.height, lens.width)
    frame = frame_of(lens, written(tmp_path, (127.5 + 100 * waves_of(rays * waves)).round().astype(np.uint8)))
    colors = load_working_image(frame, camera).colors.astype(float) - 127.5
    expected = ((centers(camera) - (camera.cx, camera.cy)) / (camera.fx, camera.fy))[..., axis] * waves
    found = (colors[..., 0] + 1j * colors[..., 1]) * np.exp(-2j * np.pi * expected)
    for rows in np.array_split(found[4:-4, 4:-4], 3):
        for part in np.array_split(rows, 3, axis=1):
            assert abs(np.angle(part.mean()) / (2 * np.pi) * PERIOD_PX) < 0.012  # 0.008 at most


def waves_of(phases: np.ndarray) -> np.ndarray:
    """Cosine, sine and zero [H, W, 3] of phases [H, W] in turns."""
    return np.stack([np.cos(2 * np.pi * phases), np.sin(2 * np.pi * phases), 0 * phases], -1)


def test_fine_patterns_become_gray(tmp_path: Path):
    """Alternating columns alias where a reduction skips pixels."""
    stripes = np.zeros((BROWN.height, BROWN.width, 3), np.uint8)
    stripes[:, ::2] = 255
    frame = frame_of(BROWN, written(tmp_path, stripes))
    gray = load_working_image(frame, working_camera(frame, 90).camera).gray
    assert np.abs(gray.astype(float) - 127.5).max() < 20


def test_gray_is_that_of_the_colors(tmp_path: Path):
    frame = frame_of(PINHOLE, written(tmp_path, np.full((240, 320, 3), (200, 100, 50), np.uint8)))
    image = load_working_image(frame, working_camera(frame, 64).camera)
    assert image.gray.shape == image.usable.shape == image.colors.shape[:2] == (48, 64)
    assert image.gray.dtype == image.colors.dtype == np.uint8
    assert (image.gray == 124).all()  # 0.299 R + 0.587 G + 0.114 B
    assert (image.colors == (200, 100, 50)).all()


def test_pixels_outside_of_the_photograph_are_not_usable(tmp_path: Path):
    frame = frame_of(BROWN, written(tmp_path, np.full((480, 640, 3), 90, np.uint8)))
    narrow = working_camera(frame, 300).camera
    camera = replace(narrow, fx=narrow.fx / 2, fy=narrow.fy / 2)
    rays = camera.unproject(centers(camera).reshape(-1, 2), np.ones(camera.width * camera.height))
    usable = load_working_image(frame, camera).usable
    np.testing.assert_array_equal(usable.ravel(), BROWN.project(rays)[1])
    assert 0.2 < usable.mean() < 0.5


@pytest.mark.parametrize("lens", [PINHOLE, BROWN, FISHEYE], ids=lambda lens: lens.model)
@pytest.mark.parametrize("longest", [107, 160, 10_000])
def test_usable_pixels_hold_nothing_that_the_mask_excludes(lens: Camera, longest: int, tmp_path: Path):
    excluded = np.random.default_rng(0).random((lens.height, lens.width)) < 1e-3
    image = written(tmp_path, np.full((lens.height, lens.width, 3), 90, np.uint8))
    frame = frame_of(lens, image, written(tmp_path, (~excluded).astype(np.uint8), "mask.png"))
    camera = working_camera(frame, longest).camera
    usable = load_working_image(frame, camera).usable
    holes = centers(lens)[excluded]
    rays = lens.tangents(holes)
    rays = np.concatenate([rays, np.ones((len(rays), 1))], -1)
    pixels, seen = camera.project(rays[np.isfinite(rays).all(-1)])
    column, row = pixels[seen].astype(int).T
    assert not usable[row, column].any()
    assert usable.mean() > 0.5


def test_pixels_that_are_mostly_clear_are_not_usable(tmp_path: Path):
    image = np.full((240, 320, 4), 255, np.uint8)
    image[:, :100, 3], image[:, 100:200, 3] = 100, 200
    frame = frame_of(PINHOLE, written(tmp_path, image))
    usable = load_working_image(frame, working_camera(frame, 160).camera).usable
    assert not usable[:, :50].any()
    assert usable[:, 50:].all()


def test_sizes_that_differ_are_named(tmp_path: Path):
    small, large = np.zeros((24, 32), np.uint8), np.zeros((240, 320), np.uint8)
    camera = working_camera(frame_of(PINHOLE), 160).camera
    with pytest.raises(DatasetError, match=r"a\.png has 32x24 px, its camera 320x240"):
        load_working_image(frame_of(PINHOLE, written(tmp_path, small)), camera)
    frame = frame_of(PINHOLE, written(tmp_path, large), written(tmp_path, small, "mask.png"))
    with pytest.raises(DatasetError, match=r"mask\.png has 32x24 px"):
        load_working_image(frame, camera)
