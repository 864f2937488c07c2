"""How well a colored mesh shows the photographs that nothing was made from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splatkit.evaluation.mesh_rendering import MeshRenderer, MeshView, ViewScore, score_view
from splatkit.export.texture.photographs import Photograph, read_photograph
from splatkit.io.mesh import Mesh
from splatkit.progress import Progress, no_progress, track
from splatkit.runs.views import RunView

_MOST_PIXELS = 1_500_000  # of a photograph; larger ones are compared averaged down


@dataclass(frozen=True)
class HeldOutView:
    """A photograph and the mesh as seen from the same place."""

    photograph: Photograph
    view: MeshView
    score: ViewScore


@dataclass(frozen=True)
class HeldOutScores:
    """Means over the photographs, and some of them to look at."""

    scores: dict[str, ViewScore]  # by the name of the photograph
    shown: tuple[HeldOutView, ...]

    def record(self) -> dict[str, Any]:
        """For export.json."""
        values = np.array([[s.psnr, s.psnr_exposed, s.coverage] for s in self.scores.values()])
        means: NDArray[np.float64] = values.mean(0)
        return {
            "photographs": len(self.scores),
            "psnr": means[0],
            "psnr_after_one_factor_a_channel": means[1],
            "coverage": means[2],
            "each": {name: {"psnr": s.psnr, "coverage": s.coverage} for name, s in self.scores.items()},
        }


def score_held_out(mesh: Mesh, views: Sequence[RunView], shown: int, progress: Progress = no_progress) -> HeldOutScores:
    """Render a mesh from each view, by the lens of its photograph; keep `shown` of the pictures, evenly chosen.

    Raises:
        DatasetError: a photograph cannot be read; it is named.
    """
    renderer = MeshRenderer(mesh)
    chosen = set(np.linspace(0, len(views) - 1, min(shown, len(views))).round().astype(int).tolist())
    scores, kept = {}, []
    for index in track(range(len(views)), "held-out views", progress, len(views)):
        camera = views[index].photographed.camera
        reduction = int(np.ceil(np.sqrt(camera.width * camera.height / _MOST_PIXELS)))
        photograph = read_photograph(views[index], reduction)
        view = renderer.render(photograph.posed)
        score = score_view(view, photograph.image, photograph.usable)
        scores[views[index].image_path.name] = score
        if index in chosen:
            kept.append(HeldOutView(photograph, view, score))
    return HeldOutScores(scores, tuple(kept))
