"""Rotations, transforms and spherical harmonics against what defines them."""

import math

import numpy as np
import pytest
import torch

from splatkit.geometry.rotation import multiply_quats, quat_to_rotmat, rotmat_to_quat
from splatkit.geometry.se3 import invert, transform_points
from splatkit.geometry.spherical_harmonics import rgb_to_sh0, rotate_sh, sh0_to_rgb, sh_basis
from splatkit.optimize.nerfstudio.cameras import opengl_from_viewmats, viewmats_from_opengl


def random_rotations(count: int) -> torch.Tensor:
    return quat_to_rotmat(torch.randn(count, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))


def test_a_quarter_turn_about_z_maps_x_to_y():
    half = math.pi / 4
    rotation = quat_to_rotmat(torch.tensor([math.cos(half), 0.0, 0.0, math.sin(half)]) * 3)
    torch.testing.assert_close(rotation @ torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 1.0, 0.0]))


def test_quaternions_and_matrices_are_inverse_and_multiply_alike():
    rotations = random_rotations(50)
    half_turns = torch.diag_embed(torch.tensor([[1.0, -1, -1], [-1, 1, -1], [-1, -1, 1]], dtype=torch.float64))
    both = torch.cat([rotations, half_turns])
    torch.testing.assert_close(quat_to_rotmat(rotmat_to_quat(both)), both)
    product = quat_to_rotmat(multiply_quats(rotmat_to_quat(both), rotmat_to_quat(both.flip(0))))
    torch.testing.assert_close(product, both @ both.flip(0))


def test_inverse_of_a_rigid_transform_undoes_it():
    transform = torch.eye(4, dtype=torch.float64)
    transform[:3, :3], transform[:3, 3] = random_rotations(1)[0], torch.tensor([1.0, -2.0, 0.5])
    points = torch.randn(20, 3, dtype=torch.float64)
    torch.testing.assert_close(transform_points(invert(transform), transform_points(transform, points)), points)


def test_opengl_camera_looks_along_minus_z_and_opencv_along_plus_z():
    pose = torch.eye(4)
    pose[:3, 3] = torch.tensor([0.0, 0.0, 5.0])
    in_camera = transform_points(viewmats_from_opengl(pose), torch.tensor([[0.0, 1.0, 0.0]]))
    torch.testing.assert_close(in_camera, torch.tensor([[0.0, -1.0, 5.0]]))  # up is -y, ahead is +z
    torch.testing.assert_close(opengl_from_viewmats(viewmats_from_opengl(pose)), pose)


def test_spherical_harmonics_are_orthonormal():
    # Gauss-Legendre in z times equal steps in azimuth integrates products of degree 6 exactly.
    z, w = np.polynomial.legendre.leggauss(8)
    nodes, weights = torch.tensor(z), torch.tensor(w)
    azimuths = torch.arange(16, dtype=torch.float64) * (2 * math.pi / 16)
    radius = (1 - nodes**2).sqrt()
    directions = torch.stack(
        [radius[:, None] * azimuths.cos(), radius[:, None] * azimuths.sin(), nodes[:, None].expand(-1, 16)], -1
    ).reshape(-1, 3)
    area = (weights[:, None] * (2 * math.pi / 16)).expand(-1, 16).reshape(-1)
    basis = sh_basis(directions, 3)
    torch.testing.assert_close(basis.T @ (basis * area[:, None]), torch.eye(16, dtype=torch.float64))


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_rotated_coefficients_show_the_same_color_in_the_rotated_direction(degree):
    generator = torch.Generator().manual_seed(1)
    coefficients = torch.randn(5, (degree + 1) ** 2, 3, dtype=torch.float64, generator=generator)
    directions = torch.nn.functional.normalize(torch.randn(30, 3, dtype=torch.float64, generator=generator), dim=-1)
    rotation = random_rotations(1)[0]
    before = sh_basis(directions, degree) @ coefficients
    after = sh_basis(directions @ rotation.T, degree) @ rotate_sh(coefficients, rotation)
    torch.testing.assert_close(after, before)


def test_degree_zero_color_round_trip():
    rgb = torch.rand(10, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(sh0_to_rgb(rgb_to_sh0(rgb)), rgb)


def test_unknown_degree_is_refused():
    with pytest.raises(ValueError, match="degree: expected 0 to 3, got 4"):
        sh_basis(torch.zeros(1, 3), 4)
