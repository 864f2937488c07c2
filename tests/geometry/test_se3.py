"""The exponential map of SE(3) against the matrix exponential, and its inverse."""

import numpy as np
import pytest
from scipy.linalg import expm

from splatkit.geometry.se3 import compose, cross_matrix, exp_se3, invert, transform_points, twist_between


@pytest.mark.parametrize("size", [0.0, 1e-9, 1e-4, 1.0, 3.0])
def test_exponential_is_the_matrix_exponential(size):
    twist = size * np.array([0.3, -0.5, 0.8, 1.0, -2.0, 0.5])
    generator = np.zeros((4, 4))
    generator[:3, :3], generator[:3, 3] = cross_matrix(twist[:3]), twist[3:]
    np.testing.assert_allclose(exp_se3(twist), expm(generator), atol=1e-13)


@pytest.mark.parametrize("size", [0.0, 1e-6, 0.1, 2.0])
def test_twist_between_undoes_the_exponential(size):
    twist = size * np.array([0.3, -0.5, 0.8, 1.0, -2.0, 0.5])
    T = exp_se3(np.array([1.0, 0.2, -0.4, 3.0, 1.0, 2.0]))
    np.testing.assert_allclose(twist_between(T, exp_se3(twist) @ T), twist, atol=1e-12)


def test_inverse_and_application():
    T = exp_se3(np.array([[1.0, 0.2, -0.4, 3.0, 1.0, 2.0], [0.0, 0.1, 0.0, 0.0, 0.0, 1.0]]))
    np.testing.assert_allclose(invert(T) @ T, np.broadcast_to(np.eye(4), (2, 4, 4)), atol=1e-14)
    x = np.array([[1.0, 2.0, 3.0]])
    np.testing.assert_allclose(transform_points(T[0], x)[0], (T[0] @ [1, 2, 3, 1])[:3], atol=1e-14)
    assert np.array_equal(compose(T[0, :3, :3], T[0, :3, 3]), T[0])
