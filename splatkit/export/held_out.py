"""How well a colored mesh shows the photographs that nothing was made from, and where it does not.

Where nothing was held out the mesh is compared with photographs that it was made from. That finds holes and what is
badly wrong, but it flatters, and every word about it says so.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splatkit.evaluation.mesh_rendering import MeshRenderer, MeshView
from splatkit.evaluation.surface_errors import SurfaceErrors
from splatkit.evaluation.view_scores import ViewScore, WorstPlace, find_worst_place, score_view, surface_errors
from splatkit.export.texture.photographs import Photograph, read_photograph
from splatkit.io.mesh import Mesh
from splatkit.progress import Progress, no_progress, track
from splatkit.runs.views import RunView

_MOST_PIXELS = 1_500_000  # of a photograph; larger ones are compared averaged down
_MOST_TRAINED = 12  # photographs to compare with where none was held out
_EXPOSURE_MATTERS = 1.0  # dB, by which exposures must change a figure to be spoken of
_EXPOSURE_IS_ALL = 3.0  # dB: half of the squared error


@dataclass(frozen=True)
class ComparedView:
    """A photograph and the mesh as seen from the same place."""

    name: str
    photograph: Photograph
    view: MeshView
    score: ViewScore

    def place(self) -> WorstPlace:
        """Where it is bad."""
        return find_worst_place(self.view, self.photograph.image, self.photograph.usable, self.photograph.opacities)


@dataclass(frozen=True)
class Comparison:
    """A mesh beside photographs: figures of all, some of them to look at, and the error on the surface."""

    held_out: bool  # whether nothing was made from these photographs
    scores: dict[str, ViewScore]  # by the name of the photograph
    shown: tuple[ComparedView, ...]  # the worst one first
    vertex_errors: NDArray[np.float32] = field(repr=False)  # [V] root mean square, of brightness in [0, 1], exposures
    # made equal; NaN where none of the photographs looks

    @property
    def worst(self) -> ComparedView:
        """The photograph with the lowest PSNR over all pixels."""
        return self.shown[0]

    def means(self) -> ViewScore:
        """Of all photographs."""
        rows = [(s.psnr, s.psnr_exposed, s.coverage, s.psnr_all) for s in self.scores.values()]
        return ViewScore(*np.array(rows).mean(0).tolist())

    @property
    def whose(self) -> str:
        """Which photographs these are."""
        if self.held_out:
            return "held-out photographs"
        return f"no photograph was held out; {len(self.scores)} that the mesh was made from, which flatter it"

    def verdict(self) -> str:
        """How good the mesh is and where it is bad, in one line."""
        means, worst = self.means(), self.worst
        exposed = means.psnr_exposed - means.psnr >= _EXPOSURE_MATTERS
        corrected = f" ({means.psnr_exposed:.1f} dB if exposures were alike)" if exposed else ""
        return (
            f"{self.whose}: {means.psnr_all:.1f} dB over all pixels, {means.psnr:.1f} dB where the mesh is{corrected}, "
            f"{100 * means.coverage:.0f} % covered; worst: {worst.name} ({worst.score.psnr_all:.1f} dB; {_why(worst)})"
        )

    def record(self) -> dict[str, Any]:
        """For export.json."""
        means = self.means()
        figures = {
            "photographs": len(self.scores),
            "psnr_over_all_pixels": means.psnr_all,
            "psnr": means.psnr,
            "psnr_after_one_factor_a_channel": means.psnr_exposed,
            "coverage": means.coverage,
            "worst": {"name": self.worst.name, "where": self.worst.place().where, "what": self.worst.place().what},
            "each": {
                name: {"psnr_over_all_pixels": s.psnr_all, "psnr": s.psnr, "coverage": s.coverage}
                for name, s in self.scores.items()
            },
        }
        if self.held_out:
            return {"verdict": self.verdict(), **figures}
        return {"verdict": self.verdict(), "photographs": 0, "made_from": figures}


def compare_with_photographs(
    mesh: Mesh,
    eval_views: Sequence[RunView],
    train_views: Sequence[RunView],
    shown: int,
    progress: Progress = no_progress,
) -> Comparison:
    """Render a mesh from each held-out view, by the lens of its photograph; from training views where there is none.

    Args:
        mesh: with colors or a texture.
        eval_views: held-out photographs; all count.
        train_views: of these some are taken, evenly chosen, if nothing was held out.
        shown: so many pictures are kept, evenly chosen, besides the worst.
        progress: shows how many are done.

    Raises:
        DatasetError: a photograph cannot be read; it is named.
    """
    views = eval_views or [train_views[index] for index in _evenly(len(train_views), _MOST_TRAINED)]
    names, renderer, errors = _names(views), MeshRenderer(mesh), SurfaceErrors(mesh)
    chosen, kept = set(_evenly(len(views), shown)), list[ComparedView]()
    scores, worst = dict[str, ViewScore](), None
    for index in track(range(len(views)), "held-out views", progress, len(views)):
        compared = _compare(renderer, views[index], names[index], errors)
        scores[compared.name] = compared.score
        kept += [compared] if index in chosen else []
        worst = compared if worst is None or compared.score.psnr_all < worst.score.psnr_all else worst
    first = [] if worst is None else [worst]
    others = [each for each in kept if each is not worst]
    return Comparison(bool(eval_views), scores, (*first, *others), errors.vertex_errors())


def no_comparison() -> dict[str, Any]:
    """For export.json, of a mesh without colors."""
    return {"verdict": "not compared with photographs, for the mesh has no colors", "photographs": 0}


def _compare(renderer: MeshRenderer, view: RunView, name: str, errors: SurfaceErrors) -> ComparedView:
    """One photograph; its errors are added to those of the surface."""
    camera = view.photographed.camera
    reduction = int(np.ceil(np.sqrt(camera.width * camera.height / _MOST_PIXELS)))
    photograph = read_photograph(view, reduction)
    rendered = renderer.render(photograph.posed)
    target = photograph.image, photograph.usable, photograph.opacities
    errors.add(renderer.first_hits(photograph.posed), surface_errors(rendered, *target))
    return ComparedView(name, photograph, rendered, score_view(rendered, *target))


def _why(view: ComparedView) -> str:
    """What is wrong with a view, and where."""
    place = view.place()
    if place.what == "wrong color" and view.score.psnr_exposed - view.score.psnr >= _EXPOSURE_IS_ALL:
        return "another exposure"
    return str(place)


def _names(views: Sequence[RunView]) -> list[str]:
    """Of the files, with their folders where files of several folders are named alike."""
    files = Counter(view.image_path.name for view in views)
    alike = any(count > 1 for count in files.values())
    return [view.photographed.name if alike else view.image_path.name for view in views]


def _evenly(count: int, most: int) -> list[int]:
    """Up to so many of the indices below `count`."""
    return np.linspace(0, count - 1, min(most, count)).round().astype(int).tolist()
