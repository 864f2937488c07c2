"""A square whose colors are known at every place, and cameras above it."""

import numpy as np

from splatkit.evaluation.mesh_rendering import MeshRenderer
from splatkit.geometry.camera import Camera, PosedCamera
from splatkit.geometry.se3 import compose
from splatkit.io.mesh import Mesh, Texture


def board(color_of_texel, z: float = 0.0, half: float = 1.0) -> Mesh:
    """A square in the plane z that faces up, with a texture."""
    vertices = np.array([[-half, -half, z], [half, -half, z], [half, half, z], [-half, half, z]])
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    uvs = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]])
    row, column = np.mgrid[0:256, 0:256]
    return Mesh(vertices, faces, texture=Texture(color_of_texel(row, column).astype(np.uint8), uvs, faces))


def ramps(row, column):
    return np.stack([column, 255 - row, np.full_like(row, 90)], -1)


def look_down(camera: Camera, x: float, y: float, height: float) -> PosedCamera:
    """A camera above (x, y) that looks straight down, its rows along the world's x."""
    return PosedCamera("above", camera, compose(np.diag([1.0, -1.0, -1.0]), np.array([x, y, height])))


def ramp_errors(colored: Mesh, points: np.ndarray) -> np.ndarray:
    """How far the colors of a mesh at places [N, 2] of the plane z = 0 are from those of `ramps`: [N], of 255."""
    rays = np.zeros((len(points), 6), np.float32)
    rays[:, :2], rays[:, 2], rays[:, 5] = points, 0.25, -1
    expected = np.column_stack([(points + 1) * 127.5, np.full(len(points), 90)])
    return np.abs(MeshRenderer(colored).colors_along(rays)[0] * 255 - expected).max(1)
