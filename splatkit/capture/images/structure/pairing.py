"""Which photographs are matched with which: all with all, neighbors in order, the most similar, the nearest by GPS.

What was taken together (a frame of a rig, the cuts of a panorama) counts as one; all images of one are matched with all
of the other.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from splatkit.capture.images.rigs.rig import CameraRig
from splatkit.capture.images.structure.retrieval import Pair, Vectors, links, most_similar
from splatkit.geometry.geodesy import geocentric
from splatkit.io.photographs.exif import GpsFix

Matching = Literal["auto", "exhaustive", "sequential", "retrieval", "spatial"]

EXHAUSTIVE_UP_TO = 80  # photographs; beyond it pairs of all with all take too long on a CPU
_EXHAUSTIVE_RIG = 100  # the same of a rig, as 25 panoramas have them: 4800 pairs
_SEQUENCE_OVERLAP = 10  # neighbors that each of a sequence is matched with
_SEQUENCE_FARTHEST = 8  # and those 2^k ahead, for k up to this
_LONG_SEQUENCE = 40  # frames, of which far ones may show the same
_BY_NAME = 3  # neighbors in a set without order: cameras number what they take
_SIMILAR = 20
_SIMILAR_FAR = 4  # in a sequence, from places apart
_FAR = 2 * _SEQUENCE_OVERLAP
_FAR_APART = 5
_NEAREST = 20  # by GPS alone
_NEAREST_BESIDES = 10  # and beside the most similar
_SIMILAR_AGAIN = 60  # for what could not be placed


@dataclass(frozen=True)
class MatchingSet:
    """Photographs to match, and what is known of them."""

    groups: tuple[tuple[str, ...], ...]  # names of what was taken together, in order
    fixes: tuple[GpsFix | None, ...]  # where each group was
    inside: bool  # whether images of one group may be matched with each other
    in_order: bool  # whether the order is that of time, in each folder
    exhaustive: bool  # whether few enough for all pairs

    def image_pairs(self, pairs: Iterable[Pair]) -> list[tuple[str, str]]:
        """Pairs of images, of pairs of groups."""
        return [(a, b) for i, j in pairs for a in self.groups[i] for b in self.groups[j]]

    def group_pairs(self, pairs: Iterable[tuple[str, str]]) -> set[Pair]:
        """Pairs of groups that pairs of images belong to."""
        of = {name: index for index, group in enumerate(self.groups) for name in group}
        return {(min(of[a], of[b]), max(of[a], of[b])) for a, b in pairs}


@dataclass(frozen=True)
class ChosenPairs:
    """Pairs of images, and how many of them were chosen for which reason."""

    pairs: tuple[tuple[str, str], ...]
    counts: Mapping[str, int]


def matching_set(
    names: Sequence[str], fixes: Mapping[str, GpsFix], rig: CameraRig | None = None, in_order: bool = False
) -> MatchingSet:
    """Groups of what was taken together.

    Args:
        names: of images, in order.
        fixes: where some of them were taken.
        rig: that some of them are of. Its images of one frame are matched with each other too, unless all look from
            one point, where they show no parallax.
        in_order: whether the order of names is that of time, in each folder.
    """
    groups = [[name] for name in names] if rig is None else rig.frames(names)
    return MatchingSet(
        groups=tuple(map(tuple, groups)),
        fixes=tuple(next((fixes[name] for name in group if name in fixes), None) for group in groups),
        inside=rig is not None and not rig.is_one_point,
        in_order=in_order,
        exhaustive=len(names) <= (EXHAUSTIVE_UP_TO if rig is None else _EXHAUSTIVE_RIG),
    )


def choose_pairs(photographs: MatchingSet, matching: Matching, describe: Callable[[], Vectors]) -> ChosenPairs:
    """Pairs of images to match.

    Args:
        photographs: see there.
        matching: auto: sequences where photographs are in order, with what looks alike far apart in one, or the most
            similar of all where there are several; else all pairs of few; else the most similar, neighbors by name, and
            the nearest by GPS where most have a position.
        describe: makes the vectors of `retrieval`, of groups; is called where they are needed.
    """
    all_rows = range(len(photographs.groups))
    chosen: dict[Pair, None] = {}
    counts: dict[str, int] = {}

    def add(reason: str, pairs: Iterable[Pair]) -> None:
        new = [pair for pair in dict.fromkeys(pairs) if pair not in chosen]
        chosen.update(dict.fromkeys(new))
        counts[reason] = len(photographs.image_pairs(new))

    def add_similar(rows: Sequence[int], count: int) -> None:
        vectors = describe()
        add("similar", most_similar(vectors, rows, count, set()))
        add("links", links(vectors, list(chosen)))

    if matching == "auto" and photographs.in_order:
        add("neighbors_in_order", [pair for part in _sequences(photographs) for pair in _in_sequence(part)])
        if len(_sequences(photographs)) > 1:  # cameras that may see the same at other times
            add_similar(all_rows, _SIMILAR)
        elif len(all_rows) > _LONG_SEQUENCE:
            near = set(_ahead(all_rows, range(1, _FAR + 1)))
            add("similar", most_similar(describe(), all_rows, _SIMILAR_FAR, {*near, *chosen}, _FAR_APART))
    elif matching == "exhaustive" or (matching == "auto" and photographs.exhaustive):
        add("all", [(i, j) for i in all_rows for j in all_rows[i + 1 :]])
    elif matching == "sequential":
        add("neighbors_in_order", _in_sequence(all_rows))
    elif matching == "retrieval":
        add_similar(all_rows, _SIMILAR)
    elif matching == "spatial":
        add("near_by_gps", nearest(photographs.fixes, _NEAREST))
        if unknown := [row for row in all_rows if photographs.fixes[row] is None]:
            add_similar(unknown, _SIMILAR)
    else:
        add_similar(all_rows, _SIMILAR)
        add("neighbors_by_name", _ahead(all_rows, range(1, _BY_NAME + 1)))
        if 2 * sum(fix is not None for fix in photographs.fixes) > len(all_rows):
            add("near_by_gps", nearest(photographs.fixes, _NEAREST_BESIDES))
    together = [(a, b) for group in photographs.groups for i, a in enumerate(group) for b in group[i + 1 :]]
    if photographs.inside:
        counts["taken_together"] = len(together)
    pairs = photographs.image_pairs(chosen) + (together if photographs.inside else [])
    return ChosenPairs(tuple(pairs), {reason: count for reason, count in counts.items() if count})


def pairs_of_unplaced(
    photographs: MatchingSet, known: Sequence[tuple[str, str]], placed: set[str], describe: Callable[[], Vectors]
) -> ChosenPairs:
    """More pairs of what could not be placed, with the most similar that it has not been matched with yet.

    Args:
        photographs: see there.
        known: pairs of images that were matched.
        placed: names of images that could be placed; a group with one of them is.
        describe: see `choose_pairs`.
    """
    lost = [row for row, group in enumerate(photographs.groups) if not placed.intersection(group)]
    matched = photographs.group_pairs(known)
    everything = len(photographs.groups) * (len(photographs.groups) - 1) // 2
    if not lost or len({(i, j) for i, j in matched if i != j}) == everything:
        return ChosenPairs((), {})
    pairs = photographs.image_pairs(most_similar(describe(), lost, _SIMILAR_AGAIN, matched))
    return ChosenPairs(tuple(pairs), {"of_unplaced": len(pairs)} if pairs else {})


def nearest(fixes: Sequence[GpsFix | None], count: int) -> list[Pair]:
    """Pairs of each place with the nearest ones; heights do not count, of which receivers know little.

    Args:
        fixes: of each; None: not known, and in no pair.
        count: of partners of each.
    """
    rows = [row for row, fix in enumerate(fixes) if fix is not None]
    known = [fix for fix in fixes if fix is not None]
    if len(rows) < 2:
        return []
    latitudes, longitudes = (np.array([getattr(fix, name) for fix in known]) for name in ("latitude", "longitude"))
    places: NDArray[np.float64] = geocentric(latitudes, longitudes, np.zeros(len(known)))
    _, found = cKDTree(places).query(places, min(count + 1, len(rows)))
    pairs = [(rows[i], rows[int(j)]) for i, line in enumerate(found) for j in line if i != j]
    return list(dict.fromkeys((min(pair), max(pair)) for pair in pairs))


def _sequences(photographs: MatchingSet) -> list[list[int]]:
    """Rows by folder: those of one camera of a recording follow each other."""
    folders: dict[str, list[int]] = {}
    for row, group in enumerate(photographs.groups):
        folders.setdefault(group[0].rpartition("/")[0], []).append(row)
    return list(folders.values())


def _in_sequence(rows: Sequence[int]) -> list[Pair]:
    """Neighbors and, sparser and sparser, those farther ahead."""
    steps = {2**k for k in range(_SEQUENCE_FARTHEST + 1)} | set(range(1, _SEQUENCE_OVERLAP + 1))
    return _ahead(rows, sorted(steps))


def _ahead(rows: Sequence[int], steps: Iterable[int]) -> list[Pair]:
    return [(rows[i], rows[i + step]) for step in steps for i in range(len(rows) - step)]
