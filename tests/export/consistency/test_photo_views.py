"""Photographs say where a surface is, whatever their lens and exposure, and say nothing where they see nothing."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from splatkit.errors import DatasetError
from splatkit.export.consistency import photo_views
from splatkit.export.consistency.photo_views import PhotoOffsets, PhotoViews
from splatkit.geometry.camera import Camera
from splatkit.io.images import write_image
from splatkit.io.mesh import Mesh
from tests.export.consistency.spheres import PhotographedSphere, sphere_mesh
from tests.export.surface.test_fusion import RADIUS, SIZE

FOOTPRINT = 0.018  # m, of a pixel on the sphere


def answers(run: PhotographedSphere, mesh: Mesh) -> PhotoOffsets:
    photos = PhotoViews(run.train_views)
    photos.blur(0.5)
    photos.look_at(mesh)
    corners = mesh.vertices[mesh.faces]
    centers = corners.mean(1)
    return photos.ask(centers, mesh.face_normals().astype(np.float32))


def seen(found: PhotoOffsets) -> torch.Tensor:
    return (found.counts >= 3) & (found.correlations > 0.5)


@pytest.mark.parametrize("off", [-0.5, 0.5])
def test_faces_are_wanted_where_the_sphere_is(tmp_path: Path, off: float):
    found = answers(PhotographedSphere(tmp_path), sphere_mesh(RADIUS + off * FOOTPRINT))
    good = seen(found)
    assert good.float().mean() > 0.5  # from two heights, steeply seen poles are not
    wanted = found.offsets[good] / FOOTPRINT
    # The same on every instruction set; over three textures:
    assert abs(wanted.median() + off) < 0.25  # 0.01 to 0.17, see the test of variances
    assert (wanted + off).abs().quantile(0.9) < 0.4  # 0.28 to 0.32


def test_fisheyes_and_exposures_make_no_difference(tmp_path: Path):
    gains = 1 - 0.3 * (np.arange(16) % 3) / 2
    lens = Camera("kannala_brandt", SIZE, SIZE, 100.0, 100.0, SIZE / 2, SIZE / 2, (0.05, 0.01, 0.0, 0.0))
    found = answers(PhotographedSphere(tmp_path, gains=gains, lens=lens), sphere_mesh(RADIUS + 0.5 * FOOTPRINT))
    good = seen(found)
    assert good.float().mean() > 0.5
    assert abs(found.offsets[good].median() / FOOTPRINT + 0.5) < 0.25


def test_variances_are_those_of_the_offsets(tmp_path: Path):
    """Beside what all share: on a sphere of 28 px, pixels of slanted views look past the middle of what they see, by
    0.1 to 0.2 footprints. The ratios were 1.36 to 1.52 for four textures, 1.0 to 1.2 with twice the noise.
    """
    found = answers(PhotographedSphere(tmp_path, noise=12.0), sphere_mesh(RADIUS))
    good = seen(found)
    offsets = found.offsets[good]
    ratios = ((offsets - offsets.median()) / found.variances[good].sqrt()).abs()
    assert 0.9 < ratios.quantile(0.68) < 2


def test_what_no_photograph_sees_is_not_known(tmp_path: Path):
    ball = sphere_mesh(RADIUS)
    wall = sphere_mesh(5 * RADIUS)  # cameras stand inside
    hidden = answers(PhotographedSphere(tmp_path), Mesh(wall.vertices, wall.faces))
    assert (hidden.counts == 0).all()
    assert torch.isinf(hidden.variances).all()
    assert (hidden.offsets == 0).all()
    assert (answers(PhotographedSphere(tmp_path), ball).counts > 0).any()


def test_tiles_give_what_all_faces_at_once_give(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    run, mesh = PhotographedSphere(tmp_path), sphere_mesh(RADIUS + 0.005)
    whole = answers(run, mesh)
    monkeypatch.setattr(photo_views, "_LOOKS", 1)  # then 4096 faces a tile
    tiled = answers(run, mesh)
    assert len(mesh.faces) > 3 * 4096
    for part, expected in zip(tiled, whole, strict=True):
        torch.testing.assert_close(part, expected, rtol=1e-4, atol=1e-6)


def test_masked_pixels_are_not_looked_at(tmp_path: Path):
    run = PhotographedSphere(tmp_path)
    write_image(tmp_path / "mask.png", np.zeros((SIZE, SIZE), np.uint8))
    run.photographs = [replace(photo, mask_path=tmp_path / "mask.png") for photo in run.photographs]
    assert (answers(run, sphere_mesh(RADIUS)).counts == 0).all()


def test_a_photograph_that_is_gone_is_named(tmp_path: Path):
    run = PhotographedSphere(tmp_path)
    (tmp_path / "03.png").unlink()
    with pytest.raises(DatasetError, match=r"03\.png"):
        PhotoViews(run.train_views)
