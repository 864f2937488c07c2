"""Each lens against OpenCV or its closed form, its derivatives and inverse, for NumPy and torch."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from splatkit.geometry.brown_conrady import five_step_tangents
from splatkit.geometry.kannala_brandt import FISHEYE_LIMIT_RAD
from splatkit.geometry.lens_models import LENS_MODELS, LensName

COEFFICIENTS: dict[str, tuple[float, ...]] = {
    "pinhole": (),
    "brown_conrady": (-0.21, 0.06, 1.5e-3, -8e-4, -0.01, 0.02, -0.004, 0.003),
    "kannala_brandt": (0.04, -0.012, 0.003, -0.0008),
    "orthographic": (),
    "equirectangular": (),
}
FOLDING: dict[str, tuple[float, ...]] = {
    "brown_conrady": (-0.3, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),  # at x / z = 1.054
    "kannala_brandt": (-0.2, 0.0, 0.0, 0.0),  # at 74 degrees
}
ZERO = np.zeros((3, 1))
MODELS = list(LENS_MODELS)


def points_ahead(count: int = 200, spread: float = 0.8) -> np.ndarray:
    rng = np.random.default_rng(0)
    tangents = rng.uniform(-spread, spread, (count, 2))
    return np.concatenate([tangents, np.ones((count, 1))], 1) * rng.uniform(0.5, 5, (count, 1))


@pytest.mark.parametrize("count", [4, 5, 8])
def test_brown_conrady_is_opencv(count: int):
    given_coeffs = COEFFICIENTS["brown_conrady"][:count]
    coeffs = (*given_coeffs, *[0.0] * (8 - count))
    points, lens = points_ahead(), LENS_MODELS["brown_conrady"]
    plane, jacobian = cv2.projectPoints(points[:, None], ZERO, ZERO, np.eye(3), np.array(given_coeffs))
    jacobian = jacobian.reshape(-1, 2, jacobian.shape[1])
    np.testing.assert_allclose(lens.distort(points, coeffs), plane[:, 0], rtol=0, atol=1e-12)
    np.testing.assert_allclose(lens.jacobian(points, coeffs), jacobian[:, :, 3:6], rtol=0, atol=1e-11)
    ours = lens.coefficient_jacobian(points, coeffs)[:, :, :count]
    np.testing.assert_allclose(ours, jacobian[:, :, 10:], rtol=0, atol=1e-11)


def test_kannala_brandt_is_opencv():
    coeffs = COEFFICIENTS["kannala_brandt"]
    points, lens = points_ahead(spread=3.0), LENS_MODELS["kannala_brandt"]
    plane, jacobian = cv2.fisheye.projectPoints(points[:, None], ZERO, ZERO, np.eye(3), np.array(coeffs))
    jacobian = jacobian.reshape(-1, 2, 15)
    np.testing.assert_allclose(lens.distort(points, coeffs), plane[:, 0], rtol=0, atol=1e-12)
    np.testing.assert_allclose(lens.jacobian(points, coeffs), jacobian[:, :, 11:14], rtol=0, atol=1e-11)
    np.testing.assert_allclose(lens.coefficient_jacobian(points, coeffs), jacobian[:, :, 4:8], rtol=0, atol=1e-11)


@pytest.mark.parametrize("model", ["brown_conrady", "kannala_brandt"])
def test_the_inverse_is_what_opencv_converges_to(model: LensName):
    coeffs, lens = COEFFICIENTS[model], LENS_MODELS[model]
    points = points_ahead()
    plane = lens.distort(points, coeffs)
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 500, 1e-15)
    if model == "kannala_brandt":
        found = cv2.fisheye.undistortPoints(plane[:, None], np.eye(3), np.array(coeffs), criteria=criteria)[:, 0]
    else:
        arguments = (np.eye(3), np.array(coeffs), np.eye(3), np.eye(3), criteria)
        found = cv2.undistortPointsIter(plane[:, None], *arguments)[:, 0]
    np.testing.assert_allclose(lens.tangents(plane, coeffs), found, rtol=0, atol=1e-9)


def test_five_steps_are_the_inverse_that_opencv_has_by_default():
    coeffs = COEFFICIENTS["brown_conrady"]
    plane = np.random.default_rng(1).uniform(-0.9, 0.9, (100, 2))
    found = cv2.undistortPoints(plane[:, None], np.eye(3), np.array(coeffs))[:, 0]
    np.testing.assert_allclose(five_step_tangents(plane, coeffs), found, rtol=0, atol=1e-12)
    assert np.nanmax(np.abs(found - LENS_MODELS["brown_conrady"].tangents(plane, coeffs))) > 1e-6  # they are not all


def test_closed_forms():
    points = points_ahead(50)
    x, y, z = points.T
    np.testing.assert_allclose(LENS_MODELS["pinhole"].distort(points, ()), np.stack([x / z, y / z], 1), rtol=1e-15)
    np.testing.assert_array_equal(LENS_MODELS["orthographic"].distort(points, ()), points[:, :2])
    np.testing.assert_array_equal(LENS_MODELS["orthographic"].rays(points[:, :2], ()), [[0.0, 0.0, 1.0]] * 50)
    lens = LENS_MODELS["equirectangular"]
    corners = np.array([[0.0, 0, 1], [1, 0, 0], [-1, 0, 0], [0, 1, 1], [1, 0, -1], [0, -2, 0]])
    expected = np.array([[0, 0], [2, 0], [-2, 0], [0, 1], [3, 0], [0, -2]]) * np.pi / 4
    np.testing.assert_allclose(lens.distort(corners, ()), expected, atol=1e-11)
    np.testing.assert_allclose(
        lens.rays(expected[:5], ()), corners[:5] / np.linalg.norm(corners[:5], axis=1)[:, None], atol=1e-15
    )
    assert np.isnan(lens.rays(np.array([[3.2, 0.0], [0.0, 1.6]]), ())).all()


def test_kannala_brandt_sees_sideways_and_behind():
    lens, coeffs = LENS_MODELS["kannala_brandt"], COEFFICIENTS["kannala_brandt"]
    angles = np.deg2rad([60, 89, 90, 91, 120, 170.0])
    points = np.stack([np.sin(angles), 0 * angles, np.cos(angles)], 1)
    plane = lens.distort(points, coeffs)
    k = coeffs
    expected = angles + k[0] * angles**3 + k[1] * angles**5 + k[2] * angles**7 + k[3] * angles**9
    np.testing.assert_allclose(plane[:, 0], expected, rtol=1e-14)
    seen = angles < lens.fold(coeffs)
    np.testing.assert_allclose(lens.rays(plane[seen], coeffs), points[seen], atol=1e-14)
    assert np.isnan(lens.tangents(lens.distort(points[1:], coeffs), coeffs)[angles[1:] > FISHEYE_LIMIT_RAD]).all()
    wide = lens.distort(points, (0.0,) * 4)
    np.testing.assert_allclose(lens.rays(wide, (0.0,) * 4), points, atol=1e-14)


@pytest.mark.parametrize("model", MODELS)
def test_jacobians_are_those_of_automatic_differentiation(model: LensName):
    lens, coeffs = LENS_MODELS[model], torch.tensor(COEFFICIENTS[model], dtype=torch.float64)
    points = torch.from_numpy(np.concatenate([points_ahead(40), [[1e-9, 0, 2], [1e-5, -2e-5, 1], [0.1, 0.2, 0.7]]]))
    of_points = torch.func.vmap(torch.func.jacfwd(lambda p: lens.distort(p, coeffs)))(points)
    torch.testing.assert_close(lens.jacobian(points, coeffs), of_points, rtol=1e-11, atol=1e-11)
    if len(coeffs):
        of_coeffs = torch.func.vmap(torch.func.jacrev(lambda k, p: lens.distort(p, k)), (None, 0))(coeffs, points)
        torch.testing.assert_close(lens.coefficient_jacobian(points, coeffs), of_coeffs, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("model", MODELS)
def test_derivatives_are_finite_on_the_axis(model: LensName):
    lens, coeffs = LENS_MODELS[model], COEFFICIENTS[model]
    points = torch.tensor([[0.0, 0.0, 2.0]], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(lens.distort(points, coeffs)[0, 0], points)
    scale = 1.0 if model == "orthographic" else 0.5
    torch.testing.assert_close(gradient, torch.tensor([[scale, 0.0, 0.0]], dtype=torch.float64))
    torch.testing.assert_close(lens.jacobian(points.detach(), coeffs)[0, 0], gradient[0])


@pytest.mark.parametrize("model", ["pinhole", "brown_conrady", "kannala_brandt", "equirectangular"])
def test_the_inverse_has_the_inverse_derivative(model: LensName):
    lens, coeffs = LENS_MODELS[model], COEFFICIENTS[model]
    plane = lens.distort(torch.from_numpy(points_ahead(30)), coeffs)
    tangents = lens.tangents(plane, coeffs)
    of_inverse = torch.func.vmap(torch.func.jacrev(lambda p: lens.tangents(p, coeffs)))(plane)
    ahead = torch.cat([tangents, torch.ones_like(tangents[:, :1])], 1)
    of_lens = lens.jacobian(ahead, coeffs)[:, :, :2]
    torch.testing.assert_close(of_inverse @ of_lens, torch.eye(2).double().expand(30, 2, 2), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("model", MODELS)
def test_numpy_and_torch_agree_and_keep_the_type(model: LensName, dtype: type):
    lens, coeffs = LENS_MODELS[model], COEFFICIENTS[model]
    points: np.ndarray = points_ahead(60).astype(dtype)
    plane = lens.distort(points, coeffs)
    functions = [lens.distort, lens.jacobian, lens.coefficient_jacobian]
    pairs = [
        (f(points, np.array(coeffs)), f(torch.from_numpy(points), torch.tensor(coeffs, dtype=torch.float64)))
        for f in functions
    ]
    pairs += [(f(plane, coeffs), f(torch.from_numpy(plane), coeffs)) for f in (lens.rays, lens.tangents)]
    tolerance = 1e-13 if dtype == np.float64 else 2e-5
    for ours, theirs in pairs:
        assert ours.dtype == dtype
        assert theirs.numpy().dtype == dtype
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("model", ["brown_conrady", "kannala_brandt"])
def test_coefficients_broadcast(model: LensName):
    lens, points = LENS_MODELS[model], torch.from_numpy(points_ahead(10)).expand(2, 10, 3)
    values = torch.tensor([COEFFICIENTS[model], [0.5 * k for k in COEFFICIENTS[model]]], dtype=torch.float64)
    columns = list(values[:, :, None].unbind(1))  # [2, 1] each
    for function in (lens.distort, lens.jacobian, lens.coefficient_jacobian):
        both = function(points, columns)
        for camera in range(2):
            torch.testing.assert_close(both[camera], function(points[camera], values[camera].tolist()))


@pytest.mark.parametrize("model", ["brown_conrady", "kannala_brandt"])
def test_rays_end_at_the_fold(model: LensName):
    lens, coeffs = LENS_MODELS[model], FOLDING[model]
    fold = lens.fold(coeffs)
    assert fold == pytest.approx(np.sqrt(1 / 0.9) if model == "brown_conrady" else np.sqrt(1 / 0.6), rel=1e-12)
    tangent = lens.fold_tangent(coeffs)
    assert tangent == pytest.approx(fold if model == "brown_conrady" else np.tan(fold))
    shares = np.array([0.5, 0.99, 1 - 1e-4, 1 - 1e-6, 1.0])
    points = np.stack([tangent * shares, 0 * shares, np.ones(5)], 1)
    plane = lens.distort(points, coeffs)
    found = lens.tangents(plane, coeffs)
    np.testing.assert_allclose(found[:2, 0], points[:2, 0], rtol=1e-12)
    np.testing.assert_allclose(found[:4, 0], points[:4, 0], rtol=1e-8)
    again = lens.distort(np.concatenate([found, np.ones((5, 1))], 1), coeffs)
    np.testing.assert_allclose(again, plane, rtol=1e-12, atol=1e-15)
    assert np.isnan(lens.rays(plane[-1:] * 1.001, coeffs)).all()


def test_a_pole_of_the_rational_terms_is_an_end():
    lens = LENS_MODELS["brown_conrady"]
    assert lens.fold((0, 0, 0, 0, 0, -0.25, 0, 0)) == pytest.approx(2.0)
    assert lens.fold((0, 0, 0, 0, 0, 0, 0, 0)) == np.inf


def test_pixels_of_a_fisheye_end_at_85_degrees_or_the_fold():
    lens = LENS_MODELS["kannala_brandt"]
    assert lens.usable_radius((0, 0, 0, 0)) == pytest.approx(np.deg2rad(85))
    assert lens.usable_radius(FOLDING["kannala_brandt"]) == pytest.approx(np.sqrt(1 / 0.6) * 2 / 3)
    assert LENS_MODELS["brown_conrady"].usable_radius(FOLDING["brown_conrady"]) == np.inf


def test_a_wrong_number_of_coefficients_is_refused():
    with pytest.raises(ValueError, match="coeffs: expected 4, got 5"):
        LENS_MODELS["kannala_brandt"].distort(np.ones((1, 3)), np.zeros(5))


small = st.floats(-1, 1, allow_subnormal=False)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(st.lists(small, min_size=8, max_size=8), st.floats(0, 1), st.floats(0, 6.3))
def test_brown_conrady_returns_whatever_the_coefficients(unit: list[float], share: float, direction: float):
    lens, coeffs = LENS_MODELS["brown_conrady"], np.array(unit) * [0.4, 0.2, 4e-3, 4e-3, 0.05, 0.2, 0.05, 0.01]
    radius = share * min(0.9 * lens.fold(coeffs), 1.5)
    point = np.array([[radius * np.cos(direction), radius * np.sin(direction), 1.0]])
    (a, b), (c, d) = lens.jacobian(point, coeffs)[0, :, :2]
    found = lens.tangents(lens.distort(point, coeffs), coeffs)
    if a * d - b * c > 0.05:  # elsewhere the tangential terms fold the image themselves
        np.testing.assert_allclose(found, point[:, :2], rtol=0, atol=1e-9)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(st.lists(small, min_size=4, max_size=4), st.floats(0, 1), st.floats(0, 6.3))
def test_kannala_brandt_returns_whatever_the_coefficients(unit: list[float], share: float, direction: float):
    lens, coeffs = LENS_MODELS["kannala_brandt"], np.array(unit) * [0.2, 0.05, 0.02, 0.01]
    angle = share * min(0.99 * lens.fold(coeffs), 3.1)
    x, y = np.sin(angle) * np.cos(direction), np.sin(angle) * np.sin(direction)
    point = np.array([[x, y, np.cos(angle)]])
    np.testing.assert_allclose(lens.rays(lens.distort(point, coeffs), coeffs), point, rtol=0, atol=1e-9)
