"""Matching and mapping in two rounds at most: what could not be placed is matched with more photographs, and all is
solved again. What was chosen is kept in files beside the database, so that an interrupted capture resumes with it.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pycolmap

from splatkit.capture.images.structure.feature_matching import (
    FeatureSettings,
    colmap_errors,
    linked_pairs,
    match_features,
)
from splatkit.capture.images.structure.pairing import (
    ChosenPairs,
    Matching,
    MatchingSet,
    choose_pairs,
    pairs_of_unplaced,
)
from splatkit.capture.images.structure.retrieval import Vectors, describe
from splatkit.errors import CaptureRefusedError
from splatkit.io.atomic import atomic_directory, atomic_file
from splatkit.progress import Progress

Solved = tuple[pycolmap.Reconstruction, list[int]]  # the largest model; how many more images each of the others has


@dataclass(frozen=True)
class MatchingWork:
    """What rounds are about."""

    folder: Path  # with database.db, which has features
    photographs: MatchingSet
    links: Mapping[str, str]  # name in the database of each photograph
    matching: Matching
    features: FeatureSettings
    progress: Progress

    @property
    def database(self) -> Path:
        """With features."""
        return self.folder / "database.db"

    def describe(self) -> Vectors:
        """As `retrieval.describe`, made once."""
        path = self.folder / "vectors.npy"
        if not path.is_file():
            groups = [[self.links[name] for name in group] for group in self.photographs.groups]
            vectors = describe(self.database, groups, self.features.seed, self.progress)
            with atomic_file(path) as temporary:
                np.save(temporary, vectors)
        return np.asarray(np.load(path), dtype=np.float16)

    def linked(self, chosen: ChosenPairs) -> list[tuple[str, str]]:
        """Pairs by the names in the database."""
        return [(self.links[a], self.links[b]) for a, b in chosen.pairs]


def solve_in_rounds(work: MatchingWork, solve: Callable[[], Solved]) -> tuple[Solved, dict[str, int]]:
    """Match, solve, and try once more with more pairs where photographs are left over.

    Args:
        work: see there.
        solve: structure from motion from the matches in the database.

    Returns:
        What was solved, and how many pairs were matched for which reason.

    Raises:
        CaptureRefusedError: too few images found a place, in both rounds.
    """
    chosen = _remembered(
        work.folder / "pairs.json", lambda: choose_pairs(work.photographs, work.matching, work.describe)
    )
    match_features(work.database, work.linked(chosen), work.features, work.progress)
    first = work.folder / "first"
    path = work.folder / "more_pairs.json"
    if not path.is_file():
        solved, refusal = _attempt(solve)
        more = pairs_of_unplaced(work.photographs, chosen.pairs, _placed(work, solved), work.describe)
        if not more.pairs:
            if solved is None:
                raise refusal or CaptureRefusedError("no photograph could be placed")
            return solved, dict(chosen.counts)
        if solved is not None:
            _keep(first, solved)
        _remembered(path, lambda: more)
    more = _remembered(path, lambda: ChosenPairs((), {}))
    match_features(work.database, work.linked(more), work.features, work.progress)
    counts = {**chosen.counts, **more.counts}
    before = _kept(first) if first.is_dir() else None
    if before is not None and not linked_pairs(work.database, work.linked(more)):
        return before, counts
    again, refusal = _attempt(solve)
    better = max((found for found in (before, again) if found is not None), key=_count, default=None)
    if better is None:
        raise refusal or CaptureRefusedError("no photograph could be placed")
    return better, counts


def _attempt(solve: Callable[[], Solved]) -> tuple[Solved | None, CaptureRefusedError | None]:
    try:
        return solve(), None
    except CaptureRefusedError as error:
        return None, error


def _count(solved: Solved) -> int:
    return int(solved[0].num_reg_images())


def _placed(work: MatchingWork, solved: Solved | None) -> set[str]:
    names = {link: name for name, link in work.links.items()}
    model = pycolmap.Reconstruction() if solved is None else solved[0]
    return {names[model.images[image_id].name] for image_id in model.reg_image_ids()}


def _remembered(path: Path, choose: Callable[[], ChosenPairs]) -> ChosenPairs:
    if not path.is_file():
        with atomic_file(path) as temporary:
            temporary.write_text(json.dumps(asdict(choose())), encoding="utf-8")
    content = json.loads(path.read_text(encoding="utf-8"))
    return ChosenPairs(tuple((a, b) for a, b in content["pairs"]), content["counts"])


def _keep(folder: Path, solved: Solved) -> None:
    model, others = solved
    with atomic_directory(folder, overwrite=True) as partial, colmap_errors(str(folder)):
        model.write_binary(partial)
        (partial / "others.json").write_text(json.dumps(others), encoding="utf-8")


def _kept(folder: Path) -> Solved:
    with colmap_errors(str(folder)):
        model = pycolmap.Reconstruction(folder)
    return model, json.loads((folder / "others.json").read_text(encoding="utf-8"))
