"""Photographs are believed as far as they agree, and not where something lies opposite."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from splatkit.export.consistency.photo_views import PhotoViews
from splatkit.export.consistency.vertex_answers import VertexAnswers, ask_photographs
from splatkit.io.mesh import Mesh
from tests.export.consistency.spheres import PhotographedSphere, sphere_mesh
from tests.export.consistency.test_photo_views import FOOTPRINT
from tests.export.surface.test_fusion import RADIUS

CELL = 1.5 * FOOTPRINT


def answers(run: PhotographedSphere, mesh: Mesh) -> VertexAnswers:
    photos = PhotoViews(run.train_views)
    photos.blur(0.5)
    photos.look_at(mesh)
    return ask_photographs(photos, torch.from_numpy(mesh.vertices), torch.from_numpy(mesh.faces), CELL)


def heights(mesh: Mesh) -> Tensor:
    return torch.from_numpy(mesh.vertices[:, 2] / np.linalg.norm(mesh.vertices, axis=1))


def test_offsets_are_in_cells_and_lead_to_the_sphere(tmp_path: Path):
    mesh = sphere_mesh(RADIUS - 0.3 * CELL)
    found = answers(PhotographedSphere(tmp_path), mesh)
    around = heights(mesh).abs() < 0.5
    assert abs(found.offsets[around].median() - 0.3) < 0.2  # 0.09 to 0.16 footprints of them see test_photo_views
    assert found.beliefs[around].median() > 0.6
    assert ((found.beliefs >= 0) & (found.beliefs <= 1)).all()
    assert (torch.isinf(found.variances) == (found.beliefs == 0)).all()


def test_photographs_that_contradict_each_other_are_not_believed(tmp_path: Path):
    class Contradictory(PhotographedSphere):
        """Each photograph of another texture."""

        def colors(self, points: np.ndarray) -> np.ndarray:
            self._waves = self._waves[0], self._waves[1] + np.arange(1.0, 17.0)
            return super().colors(points)

    found = answers(Contradictory(tmp_path), sphere_mesh(RADIUS))
    assert found.beliefs.mean() < 0.1


@pytest.mark.parametrize(("thickness", "believed"), [(2.5, False), (8.0, True)])
def test_what_is_thin_keeps_its_depth(tmp_path: Path, thickness: float, believed: bool):
    """A shell: the outer sphere, and an inner one that faces inward, some cells apart."""
    outer, inner = sphere_mesh(RADIUS), sphere_mesh(RADIUS - thickness * CELL)
    faces = np.concatenate([outer.faces, inner.faces[:, ::-1] + len(outer.vertices)])
    shell = Mesh(np.concatenate([outer.vertices, inner.vertices]), faces)
    found = answers(PhotographedSphere(tmp_path), shell)
    around = (heights(shell).abs() < 0.5) & (torch.arange(len(shell.vertices)) < len(outer.vertices))
    assert (found.beliefs[around].median() > 0.6) == believed
    assert found.beliefs[around].max() == 0 or believed
