"""Cameras: pixels and derivatives against OpenCV and the rasterizer, ways back, images of other sizes, refusals."""

import pickle
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from splatkit import ops
from splatkit.errors import SettingsError
from splatkit.geometry.camera import Camera, PosedCamera

ZERO = np.zeros((3, 1))
HALF = np.array([[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]])  # px; OpenCV counts from the center of the first pixel
PINHOLE = Camera("pinhole", 640, 480, 500.0, 510.0, 321.0, 239.0)
BROWN = Camera("brown_conrady", 640, 480, 420.0, 425.0, 322.0, 238.0, (-0.21, 0.06, 1.5e-3, -8e-4, -0.01))
RATIONAL = replace(BROWN, distortion=(0.11, -0.06, 1.5e-3, -8e-4, 0.02, 0.31, -0.05, 0.01))
FISHEYE = Camera("kannala_brandt", 640, 480, 300.0, 303.0, 318.0, 243.0, (0.04, -0.012, 0.003, -0.0008))
ORTHOGRAPHIC = Camera("orthographic", 640, 480, 200.0, 210.0, 321.0, 239.0)
PANORAMA = Camera("equirectangular", 640, 320, 640 / (2 * np.pi), 320 / np.pi, 320.0, 160.0)
CAMERAS = [PINHOLE, BROWN, RATIONAL, FISHEYE, ORTHOGRAPHIC, PANORAMA]
CENTRAL = [PINHOLE, BROWN, RATIONAL, FISHEYE, PANORAMA]


def name(camera: Camera) -> str:
    return "rational" if camera is RATIONAL else camera.model


def points_of(camera: Camera, count: int = 200) -> np.ndarray:
    """Points that the camera sees, some in its corners."""
    rng = np.random.default_rng(0)
    pixels = rng.uniform((0, 0), (camera.width, camera.height), (count, 2))
    pixels[:4] = [[0, 0], [camera.width, 0], [0, camera.height], [camera.width, camera.height]]
    if camera.model == "equirectangular":
        pixels = pixels * [0.49, 0.98] + [1 + camera.width / 4, 1]  # ahead
    return camera.unproject(pixels, rng.uniform(0.5, 5, count))


@pytest.mark.parametrize("camera", [PINHOLE, BROWN, RATIONAL, FISHEYE], ids=name)
def test_pixels_and_derivatives_are_those_of_opencv(camera: Camera):
    points = points_of(camera)
    K, distortion = camera.K, np.array(camera.distortion)
    if camera.model == "kannala_brandt":
        pixels, jacobian = cv2.fisheye.projectPoints(points[:, None], ZERO, ZERO, K, distortion)
        expected = [jacobian.reshape(-1, 2, 15)[:, :, 11:14], jacobian.reshape(-1, 2, 15)[:, :, :8]]
    else:
        pixels, jacobian = cv2.projectPoints(points[:, None], ZERO, ZERO, K, distortion)
        jacobian = jacobian.reshape(-1, 2, jacobian.shape[1])
        expected = [jacobian[:, :, 3:6], jacobian[:, :, 6 : 10 + len(distortion)]]
    found = camera.jacobians(points)
    np.testing.assert_allclose(camera.image(points), pixels[:, 0], rtol=0, atol=1e-9)
    np.testing.assert_array_equal(found[0], camera.image(points))
    for ours, theirs in zip(found[1:], expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize("camera", CAMERAS, ids=name)
def test_derivatives_are_those_of_the_pixels(camera: Camera):
    points = points_of(camera, 30)
    _, to_points, to_parameters = camera.jacobians(points)
    np.testing.assert_array_equal(camera.jacobian(points)[1], to_points)
    for axis, step in enumerate(np.eye(3) * 1e-6):
        difference = (camera.image(points + step) - camera.image(points - step)) / 2e-6
        np.testing.assert_allclose(to_points[:, :, axis], difference, rtol=1e-5, atol=1e-4)
    assert to_parameters.shape == (30, 2, len(camera.parameters))
    for index, step in enumerate(np.eye(len(camera.parameters)) * 1e-6):
        above, below = (camera.with_parameters(camera.parameters + sign * step) for sign in (1, -1))
        difference = (above.image(points) - below.image(points)) / 2e-6
        np.testing.assert_allclose(to_parameters[:, :, index], difference, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("camera", CAMERAS, ids=name)
def test_pixels_come_back_to_the_very_corners(camera: Camera):
    points = points_of(camera)
    pixels = camera.image(points)
    np.testing.assert_allclose(camera.unproject(pixels, points[:, 2]), points, rtol=0, atol=1e-9)
    seen_pixels, seen = camera.project(points)
    np.testing.assert_allclose(seen_pixels[4:], pixels[4:], rtol=0, atol=1e-9)
    assert seen[4:].all()
    if camera is not ORTHOGRAPHIC:
        rays = camera.rays(pixels)
        np.testing.assert_allclose(rays, points / np.linalg.norm(points, axis=1, keepdims=True), rtol=0, atol=1e-12)
        np.testing.assert_allclose(camera.tangents(pixels), points[:, :2] / points[:, 2:], rtol=0, atol=1e-11)


@pytest.mark.parametrize("camera", CENTRAL, ids=name)
def test_points_beside_the_image_or_behind_are_not_seen(camera: Camera):
    middle = np.array([[0.01, 0.01, 1.0]])
    assert camera.project(middle)[1].all()
    assert not camera.project(middle * 0.04)[1].any()
    assert camera.project(middle * 0.04, nearest=0.01)[1].all()
    if camera is not PANORAMA:
        beside = np.array([[0.0, 0, -1], [0, 0, 0], [1.5, 0, 1], [0, -1.5, 1]])
        pixels, seen = camera.project(beside)
        assert not seen.any() or camera is FISHEYE
        np.testing.assert_array_equal(pixels[:2], -1)


def test_rays_beyond_the_image_do_not_come_back_into_it():
    lens = Camera("brown_conrady", 640, 480, 500.0, 500.0, 320.0, 240.0, (-0.3, 0.0, 0.0, 0.0))
    folded = np.array([[1.8, 0.0, 1.0]])  # r (1 - 0.3 r^2) = 0.05 there: near the center again
    assert ((lens.image(folded) > 0) & (lens.image(folded) < (640, 480))).all()
    assert not lens.project(folded)[1].any()
    assert lens.project(np.array([[0.5, 0.3, 1.0]]))[1].all()
    assert lens.fold_radius == pytest.approx(np.sqrt(1 / 0.9))
    assert lens.largest_radius == lens.fold_radius  # the image's corners lie beyond


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("camera", CAMERAS, ids=name)
def test_torch_is_the_same_and_types_stay(camera: Camera, dtype: type):
    points: np.ndarray = points_of(camera)[4:].astype(dtype)
    pixels, depths = camera.image(points), points[:, 2]
    arguments: dict[str, tuple[Any, ...]] = {
        "project": (points,),
        "image": (points,),
        "jacobian": (points,),
        "jacobians": (points,),
        "tangents": (pixels,),
        "rays": (pixels,),
        "unproject": (pixels, depths),
    }
    tolerance = 1e-11 if dtype == np.float64 else 1e-4
    for method, values in arguments.items():
        ours = getattr(camera, method)(*values)
        theirs = getattr(camera, method)(*(torch.from_numpy(value) for value in values))
        for a, b in zip(*((x if isinstance(x, tuple) else (x,)) for x in (ours, theirs)), strict=True):
            assert a.dtype == b.numpy().dtype == (bool if a.dtype == bool else dtype), method
            np.testing.assert_allclose(a, b.numpy(), rtol=tolerance, atol=tolerance * camera.fx, err_msg=method)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("camera", [PINHOLE, ORTHOGRAPHIC, FISHEYE], ids=name)
def test_the_rasterizer_has_the_same_cameras(camera: Camera, dtype: torch.dtype):
    """Centers, and the image of a small splat, which is that of the camera's Jacobian."""
    points = torch.from_numpy(points_of(camera)[4:]).to(dtype)
    count, scale = len(points), 1e-2
    is_fisheye = camera is FISHEYE
    model = "fisheye" if is_fisheye else camera.model
    means2d, conics, _, extents = ops.project_splats(
        points,
        torch.tensor([[1.0, 0, 0, 0]], dtype=dtype).expand(count, 4).contiguous(),
        torch.full((count, 3), scale, dtype=dtype),
        torch.full((count,), 0.9, dtype=dtype),
        torch.full((count,), 2.0, dtype=dtype),
        torch.eye(4, dtype=dtype)[None],
        torch.from_numpy(camera.K).to(dtype)[None],
        camera.width,
        camera.height,
        0.01,
        1e3,
        0.0,
        model,
        torch.tensor([camera.distortion], dtype=dtype) if is_fisheye else None,
    )
    pixels, jacobian = camera.jacobian(points)
    assert (extents[0] > 0).all()
    np.testing.assert_allclose(means2d[0].numpy(), pixels.numpy(), rtol=1e-5, atol=1e-5 * camera.height)
    a, b, c = torch.linalg.inv(jacobian @ jacobian.transpose(1, 2) * scale**2).flatten(1)[:, [0, 1, 3]].T
    tolerance = 1e-3 if dtype == torch.float32 else 1e-5  # float32: inverses of thin ellipses
    expected = torch.stack([a, b, c], -1)
    assert ((conics[0] - expected).norm(dim=1) / expected.norm(dim=1)).max() < tolerance


@pytest.mark.parametrize("camera", [BROWN, replace(BROWN, fy=380.0, distortion=(-0.35, 0.1, 1e-3, 1e-3)), RATIONAL])
def test_a_rectified_camera_is_the_one_that_opencv_chooses(camera: Camera):
    K = camera.K - HALF
    size = (camera.width, camera.height)
    new = cv2.getOptimalNewCameraMatrix(K, np.array(camera.distortion), size, 0)[0] + HALF
    rectified = camera.rectified()
    np.testing.assert_allclose(rectified.K, new, rtol=1e-12)
    assert (rectified.model, rectified.width, rectified.height) == ("pinhole", camera.width, camera.height)


@pytest.mark.parametrize("camera", [FISHEYE, replace(FISHEYE, width=641, height=481, fx=330.0, distortion=(0.0,) * 4)])
def test_a_rectified_fisheye_is_the_one_that_opencv_chooses(camera: Camera):
    K = camera.K - HALF
    size, coefficients = (camera.width, camera.height), np.array(camera.distortion)
    new = cv2.fisheye.estimateNewCameraMatrixForUndistortRectify(K, coefficients, size, np.eye(3), balance=0) + HALF
    np.testing.assert_allclose(camera.rectified().K, new, rtol=1e-12)


@pytest.mark.parametrize("camera", [BROWN, FISHEYE], ids=name)
def test_all_of_a_rectified_image_is_in_the_photograph(camera: Camera):
    rectified = camera.rectified()
    pixels = np.stack(np.meshgrid(np.arange(640) + 0.5, np.arange(480) + 0.5), -1).reshape(-1, 2)
    seen = camera.image(rectified.unproject(pixels, np.ones(len(pixels))))
    assert seen.min() > -1
    assert (seen < (641, 481)).all()


def test_a_camera_without_distortion_is_rectified_already():
    assert PINHOLE.rectified() == PINHOLE
    straight = replace(PINHOLE, model="brown_conrady", distortion=(0.0,) * 5)
    assert straight.is_pinhole
    assert straight.rectified() == PINHOLE
    fisheye = replace(FISHEYE, distortion=(0.0,) * 4)
    assert not fisheye.is_pinhole
    assert not fisheye.has_distortion
    with pytest.raises(SettingsError, match="equirectangular images cannot be rectified"):
        PANORAMA.rectified()


def test_the_rectified_camera_of_a_lens_that_sees_sideways_is_sound():
    wide = Camera("kannala_brandt", 1000, 1000, 290.0, 290.0, 501.0, 499.0, (0.0,) * 4)  # 98 degrees to its edges
    rectified = wide.rectified()
    assert rectified.fx == pytest.approx(500 / np.tan(np.deg2rad(85)), rel=1e-2)
    assert rectified.cx == pytest.approx(500, abs=1)


def test_usable_pixels_end_at_85_degrees():
    assert FISHEYE.usable_pixels() is None
    assert BROWN.usable_pixels() is None
    wide = Camera("kannala_brandt", 200, 180, 60.0, 60.0, 100.0, 90.0, (0.01, 0.0, 0.0, 0.0))
    usable = wide.usable_pixels()
    assert usable is not None
    pixels = np.stack(np.meshgrid(np.arange(200) + 0.5, np.arange(180) + 0.5), -1).reshape(-1, 2)
    np.testing.assert_array_equal(usable.ravel(), np.isfinite(wide.tangents(pixels)).all(1))
    angles = np.rad2deg(np.arccos(np.nan_to_num(wide.rays(pixels)[:, 2], nan=-1)))
    np.testing.assert_array_equal(usable.ravel(), angles < 85)
    assert 0.3 < usable.mean() < 0.9


def test_reduced_images_leave_out_what_fills_no_pixel():
    reduced = replace(BROWN, width=641).reduced(2)
    assert (reduced.width, reduced.fx, reduced.cx) == (320, 210.0, 161.0)


def test_equal_cameras_are_one_key():
    numbers: dict[str, Any] = {
        "fx": np.float64(420.0),
        "width": np.int64(640),
        "distortion": np.array(BROWN.distortion),
    }
    same = replace(BROWN, **numbers)
    assert len({BROWN, same, RATIONAL}) == 2
    assert hash(pickle.loads(pickle.dumps(same))) == hash(BROWN)
    assert Camera.from_K("brown_conrady", BROWN.K, 640, 480, BROWN.distortion) == BROWN
    assert BROWN.with_parameters(BROWN.parameters) == BROWN


def test_brown_conrady_has_the_coefficients_that_are_given():
    points = points_of(BROWN)
    for count in (4, 5, 8):
        padded = replace(RATIONAL, distortion=(*RATIONAL.distortion[:count], *[0.0] * (8 - count)))
        camera = replace(RATIONAL, distortion=RATIONAL.distortion[:count])
        assert len(camera.parameters) == 4 + count
        np.testing.assert_array_equal(camera.image(points), padded.image(points))
        np.testing.assert_array_equal(camera.jacobians(points)[2], padded.jacobians(points)[2][:, :, : 4 + count])
        assert camera.coefficients == padded.coefficients
        assert camera.coefficients["k5"] == padded.distortion[6]


finite = st.floats(-1, 1, allow_subnormal=False)


@st.composite
def cameras(draw: st.DrawFn) -> Camera:
    width, height = draw(st.integers(64, 4000)), draw(st.integers(64, 3000))
    fx = width * draw(st.floats(0.5, 2))
    size = (width, height, fx, fx * draw(st.floats(0.9, 1.1)))
    center = (width * (0.5 + 0.05 * draw(finite)), height * (0.5 + 0.05 * draw(finite)))
    lens = draw(st.sampled_from(["pinhole", "brown_conrady", "kannala_brandt"]))
    k = np.array(draw(st.lists(finite, min_size=5, max_size=5)))
    if lens == "pinhole":
        return Camera("pinhole", *size, *center)
    if lens == "brown_conrady":
        return Camera("brown_conrady", *size, *center, tuple(k * [0.1, 0.03, 2e-3, 2e-3, 0.01]))
    return Camera("kannala_brandt", *size, *center, tuple(k[:4] * [0.05, 0.02, 0.005, 0.001]))


@settings(derandomize=True, deadline=None, max_examples=60)
@given(cameras(), st.integers(0, 2**32 - 1))
def test_any_camera_returns_what_it_projects(camera: Camera, seed: int):
    rng = np.random.default_rng(seed)
    limit = min(0.9 * camera.fold_radius, 0.9 * camera.largest_radius)
    angles, radii = rng.uniform(0, 6.3, 50), rng.uniform(0, limit, 50)
    points = np.stack([radii * np.cos(angles), radii * np.sin(angles), np.ones(50)], 1) * rng.uniform(0.1, 9, (50, 1))
    pixels, to_points = camera.jacobian(points)
    found = camera.unproject(pixels, points[:, 2])
    invertible = np.linalg.det(to_points[:, :, :2] * points[:, 2, None, None]) > 0.05 * camera.fx * camera.fy
    np.testing.assert_allclose(found[invertible], points[invertible], rtol=0, atol=1e-8)
    assert ((camera.project(points)[1]) == ((pixels >= 0) & (pixels < (camera.width, camera.height))).all(1)).all()
    moved = points + 1e-6 * rng.normal(size=(50, 3)) * points[:, 2:]
    first_order = (to_points @ (moved - points)[..., None])[..., 0]
    np.testing.assert_allclose(camera.image(moved) - pixels, first_order, rtol=0, atol=1e-8 * camera.fx)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(cameras(), st.data())
def test_scaled_and_cropped_images_show_the_same(camera: Camera, data: st.DataObject):
    points = points_of(replace(camera, distortion=(0.0,) * len(camera.distortion)), 20)
    pixels = camera.image(points)
    width, height = data.draw(st.integers(1, 5000)), data.draw(st.integers(1, 5000))
    scaled = camera.scaled(width, height)
    scale = np.array([width / camera.width, height / camera.height])
    np.testing.assert_allclose(scaled.image(points), pixels * scale, rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(scaled.scaled(camera.width, camera.height).K, camera.K, rtol=1e-12)
    x, y = data.draw(st.integers(0, camera.width - 1)), data.draw(st.integers(0, camera.height - 1))
    part = camera.cropped(x, y, camera.width - x, camera.height - y)
    np.testing.assert_allclose(part.image(points), pixels - [x, y], rtol=0, atol=1e-8)
    assert camera.cropped(0, 0, camera.width, camera.height) == camera
    assert hash(scaled.scaled(width, height)) == hash(scaled)


def posed(camera: Camera) -> PosedCamera:
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = cv2.Rodrigues(np.array([0.3, -0.5, 0.2]))[0], (1, 2, 3)
    return PosedCamera("left", camera, T)


@pytest.mark.parametrize("camera", CAMERAS, ids=name)
def test_a_posed_camera_looks_from_its_place(camera: Camera):
    view, local = posed(camera), points_of(camera)[4:]
    points = local @ view.T_world_camera[:3, :3].T + view.T_world_camera[:3, 3]
    np.testing.assert_allclose(view.T_camera_world @ view.T_world_camera, np.eye(4), atol=1e-15)
    np.testing.assert_array_equal(view.center, [1, 2, 3])
    np.testing.assert_allclose(view.local(points), local, atol=1e-13)
    pixels, depths = view.image(points)
    np.testing.assert_allclose(depths, local[:, 2], atol=1e-13)
    assert view.project(points)[1].all()
    origins, directions = view.rays(pixels)
    np.testing.assert_allclose(origins + depths[:, None] * directions, points, atol=1e-9)
    if camera is not ORTHOGRAPHIC:
        np.testing.assert_array_equal(origins, np.broadcast_to(view.center, origins.shape))
    tensors = view.rays(torch.from_numpy(pixels).float())
    assert tensors[1].dtype == torch.float32
    np.testing.assert_allclose(tensors[1].numpy(), directions, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "OPENCV"}, "model: expected one of pinhole, brown_conrady"),
        ({"width": 0}, "width: expected a whole number"),
        ({"height": 480.5}, "height: expected a whole number"),
        ({"fx": -1.0}, "fx: expected a focal length above 0 px, got -1"),
        ({"fy": np.nan}, "fy: expected a focal length"),
        ({"cy": np.inf}, "cy: expected a finite number"),
        ({"distortion": (0.1, 0.2, 0.3)}, "distortion: brown_conrady has 4 or 5 or 8 distortion coefficients, got 3"),
        ({"model": "pinhole"}, "distortion: pinhole has 0 distortion coefficients, got 5"),
        ({"model": "kannala_brandt", "distortion": ()}, "kannala_brandt has 4 distortion coefficients, got 0"),
        ({"distortion": (np.nan, 0, 0, 0)}, "distortion: expected finite"),
    ],
)
def test_what_is_no_camera_is_refused(change: dict[str, Any], message: str):
    with pytest.raises(SettingsError, match=message):
        replace(BROWN, **change)


def test_arguments_of_the_wrong_shape_are_refused():
    with pytest.raises(ValueError, match=r"points: expected shape \[N, 3\], got \[4, 2\]"):
        PINHOLE.project(np.zeros((4, 2)))
    with pytest.raises(ValueError, match=r"pixels: expected shape \[N, 2\], got \[4, 3\]"):
        FISHEYE.tangents(torch.zeros(4, 3))
    with pytest.raises(SettingsError, match=r"K: expected a finite matrix \[3, 3\]"):
        Camera.from_K("pinhole", np.eye(4), 8, 8)
    with pytest.raises(SettingsError, match="K: expected no skew"):
        Camera.from_K("pinhole", np.array([[9.0, 1, 4], [0, 9, 4], [0, 0, 1]]), 8, 8)
    with pytest.raises(SettingsError, match="does not lie in 640x480 px"):
        PINHOLE.cropped(600, 0, 100, 100)
    with pytest.raises(SettingsError, match="T_world_camera: expected a rigid transform"):
        PosedCamera("a", PINHOLE, np.diag([1.0, 1, -1, 1]))
    with pytest.raises(SettingsError, match=r"T_world_camera: expected a finite matrix \[4, 4\]"):
        PosedCamera("a", PINHOLE, np.eye(3))
    for camera in CAMERAS:
        assert camera.project(np.zeros((0, 3)))[0].shape == (0, 2)
        assert camera.tangents(np.zeros((0, 2))).shape == (0, 2)
    assert PINHOLE.project(np.array([[1, 0, 2]]))[0].tolist() == [[571.0, 239.0]]
