"""Streamed SOG (PlayCanvas; version 1 of the public specification): splats in parts of space and levels of detail.

A viewer loads of each part the level that its distance is worth. `lod-meta.json` holds a tree of boxes; each leaf
names, by level, a run of splats in a chunk, a folder with the files of a SOG. Level 0 are the splats themselves, each
further one has half as many, see `levels`.
"""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splatkit.errors import DatasetError
from splatkit.io.atomic import atomic_directory
from splatkit.io.splat_formats.gaussians import check_finite, nearest_gaussians
from splatkit.io.splat_formats.levels import coarser, covariances
from splatkit.io.splat_formats.quantization import morton_order
from splatkit.io.splat_formats.sog import META, decode_sog, short_floats, sog_content, what_is_wrong
from splatkit.io.splats import SplatArrays

INDEX = "lod-meta.json"
_VERSION, _DIGITS = 1, 7
_LEAF = 1 << 14  # splats of level 0 in a leaf, at most
_COARSEST = 1 << 13  # a level with fewer is not halved again
_LEAST_GAIN = 0.9  # of the splats that a further level may have; it would be bytes for nothing
_CHUNK = 1 << 19  # splats in a folder, about
_EXTENT = 3.0  # standard deviations of a Gaussian that a box holds
_DEEPEST = 64  # of a tree that is read; one of 10^9 splats has 17


@dataclass(frozen=True)
class _Level:
    """Splats sorted by leaves, and where each leaf's begin: [leaves + 1]."""

    splats: SplatArrays
    starts: NDArray[np.int64]


def write_streamed_sog(
    path: Path, splats: SplatArrays, *, antialiased: bool = False, palette_size: int | None = None
) -> int:
    """Write splats and their levels of detail; returns the size of all files in bytes.

    Args:
        path: .../lod-meta.json, in a folder of its own, which is written whole or not at all.
        splats: N >= 1.
        antialiased: whether they were trained for anti-aliased rendering.
        palette_size: of each chunk, see `write_sog`.

    Raises:
        FileExistsError: other files are in that folder.
        ValueError: splats are not finite, or none is there.
    """
    check_finite(splats)
    folder = Path(path).absolute().parent
    _check_own_folder(folder)
    leaves, nested = _tree(splats.means)
    levels = _levels(splats, leaves)
    filenames = list[str]()
    runs: list[dict[str, dict[str, int]]] = [{} for _ in range(len(levels[0].starts) - 1)]
    size = 0
    with atomic_directory(folder, overwrite=True) as temporary:
        for number, level in enumerate(levels):
            for chunk, (start, end) in enumerate(_chunks(level.starts)):
                name = f"{number}_{chunk}"
                first, last = level.starts[start], level.starts[end]
                content = sog_content(
                    _part(level.splats, np.arange(first, last)),
                    antialiased=antialiased,
                    palette_size=palette_size,
                    in_order=True,
                )
                (temporary / name).mkdir()
                for file, part in content.items():
                    (temporary / name / file).write_bytes(part)
                    size += len(part)
                for leaf in range(start, end):
                    count = int(level.starts[leaf + 1] - level.starts[leaf])
                    offset = int(level.starts[leaf] - first)
                    runs[leaf][str(number)] = {"file": len(filenames), "offset": offset, "count": count}
                filenames.append(f"{name}/{META}")
        counts = [len(level.splats.means) for level in levels]
        index = {
            "version": _VERSION,
            "asset": {"generator": "splatkit"},
            "count": sum(counts),
            "counts": counts,
            "lodLevels": len(levels),
            "filenames": filenames,
            "tree": _node(nested, runs, *_boxes(levels)),
        }
        text = json.dumps(short_floats(index, _DIGITS)).encode()
        (temporary / INDEX).write_bytes(text)
    return size + len(text)


def _check_own_folder(folder: Path) -> None:
    """Nothing but an earlier dataset may be in the folder, for it is replaced."""
    if not folder.is_dir() or not (there := {entry.name for entry in folder.iterdir()}):
        return
    own = {INDEX}
    if INDEX in there:
        own |= {PurePosixPath(name).parts[0] for name in _names(folder / INDEX, _index(folder / INDEX))}
    if others := sorted(there - own):
        raise FileExistsError(f"{folder}: holds other files ({others[0]}); streamed splats need a folder of their own")


def _tree(means: NDArray[np.float32]) -> tuple[NDArray[np.int64], Any]:
    """The leaf of each splat [N], and the tree as nested pairs of numbers of leaves: halves along the longest side."""
    leaves, numbers = np.zeros(len(means), np.int64), itertools.count()

    def split(members: NDArray[np.int64]) -> Any:
        if len(members) <= _LEAF:
            number = next(numbers)
            leaves[members] = number
            return number
        axis = int(np.ptp(means[members], axis=0).argmax())
        order = members[np.argsort(means[members, axis], kind="stable")]
        return split(order[: len(order) // 2]), split(order[len(order) // 2 :])

    return leaves, split(np.arange(len(means)))


def _levels(splats: SplatArrays, leaves: NDArray[np.int64]) -> list[_Level]:
    count, out = int(leaves.max()) + 1, list[_Level]()
    while True:
        order = np.concatenate([members[morton_order(splats.means[members])] for members in _by_leaf(leaves, count)])
        splats, leaves = _part(splats, order), leaves[order]
        out.append(_Level(splats, np.searchsorted(leaves, np.arange(count + 1))))
        if len(leaves) <= max(_COARSEST, count):
            return out
        before = len(leaves)
        splats, leaves = coarser(splats, leaves)
        if len(leaves) > _LEAST_GAIN * before:  # neighbors that are left lie in other leaves
            return out


def _by_leaf(leaves: NDArray[np.int64], count: int) -> list[NDArray[np.int64]]:
    return np.split(np.argsort(leaves, kind="stable"), np.cumsum(np.bincount(leaves, minlength=count))[:-1])


def _part(splats: SplatArrays, chosen: NDArray[np.int64]) -> SplatArrays:
    return SplatArrays(**{name: values[chosen] for name, values in vars(splats).items()})


def _chunks(starts: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """First leaf and the one after the last, of chunks that are about full."""
    first = 0
    for leaf in range(1, len(starts)):
        if leaf == len(starts) - 1 or starts[leaf + 1] - starts[first] > _CHUNK:
            yield first, leaf
            first = leaf


def _boxes(levels: list[_Level]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Least and largest corner [leaves, 3] of what the splats of each leaf cover, at any level."""
    count = len(levels[0].starts) - 1
    low, high = np.full((count, 3), np.inf), np.full((count, 3), -np.inf)
    for level in levels:
        gaussians = nearest_gaussians(level.splats)
        reach = _EXTENT * np.sqrt(np.diagonal(covariances(gaussians), axis1=1, axis2=2))
        leaves = np.repeat(np.arange(count), np.diff(level.starts))
        np.minimum.at(low, leaves, gaussians.means - reach)
        np.maximum.at(high, leaves, gaussians.means + reach)
    return low, high


def _node(
    nested: Any, runs: list[dict[str, dict[str, int]]], low: NDArray[np.float64], high: NDArray[np.float64]
) -> dict[str, Any]:
    if isinstance(nested, int):
        return {"bound": {"min": low[nested].tolist(), "max": high[nested].tolist()}, "lods": runs[nested]}
    children = [_node(child, runs, low, high) for child in nested]
    corners = {
        name: [pick(values) for values in zip(*(child["bound"][name] for child in children), strict=True)]
        for name, pick in (("min", min), ("max", max))
    }
    return {"bound": corners, "children": children}


def read_streamed_sog(path: Path, level: int = 0) -> SplatArrays:
    """Read one level of detail, and what belongs to all of them (the environment).

    Args:
        path: .../lod-meta.json.
        level: 0 is the finest; of parts that lack it, the next finer one that they have, or else the finest.

    Raises:
        FileNotFoundError: no such file, or a chunk is missing.
        DatasetError: damaged or of another version; names the file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    index = _index(path)
    names = _names(path, index)
    wanted: dict[int, list[tuple[int, int]]] = {}
    try:
        for lods in _leaves(path, index["tree"]):
            finest = sorted(map(int, lods))
            chosen = max((number for number in finest if number <= level), default=finest[0])
            run = lods[str(chosen)]
            wanted.setdefault(int(run["file"]), []).append((int(run["offset"]), int(run["count"])))
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise DatasetError(f"{path}: its tree lacks something or holds it in another form ({error})") from error
    parts = []
    for number, runs in sorted(wanted.items()):
        if not 0 <= number < len(names):
            raise DatasetError(f"{path}: a leaf names chunk {number} of {len(names)}")
        parts.append(_runs_of(path.parent / names[number], runs))
    if index.get("environment"):
        parts.append(_read_chunk(path.parent / _inside(path, index["environment"])))
    if not parts:
        raise DatasetError(f"{path}: holds no splats")
    return _joined(parts)


def _index(path: Path) -> dict[str, Any]:
    try:
        index = json.loads(path.read_bytes())
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DatasetError(f"{path}: not an index of streamed splats, or cut short ({error})") from error
    if not isinstance(index, dict) or not isinstance(index.get("filenames"), list) or "tree" not in index:
        raise DatasetError(f"{path}: not an index of streamed splats: it names no chunks or no tree")
    if index.get("version", _VERSION) != _VERSION:
        raise DatasetError(f"{path}: version {index['version']!r}; this reader knows version {_VERSION}")
    return index


def _names(path: Path, index: dict[str, Any]) -> list[str]:
    return [_inside(path, name) for name in index["filenames"]]


def _inside(path: Path, name: Any) -> str:
    """A relative path that does not leave the folder."""
    parts = PurePosixPath(name).parts if isinstance(name, str) else ()
    if not parts or PurePosixPath(name).is_absolute() or ".." in parts:
        raise DatasetError(f"{path}: names a chunk outside of its folder, {name!r}")
    return str(name)


def _leaves(path: Path, tree: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The entries of all leaves that have splats."""
    waiting = [(tree, 0)]
    while waiting:
        node, depth = waiting.pop()
        if depth > _DEEPEST:
            raise DatasetError(f"{path}: damaged: its tree is more than {_DEEPEST} boxes deep")
        waiting += [(child, depth + 1) for child in node.get("children") or ()]
        if node.get("lods"):
            yield node["lods"]


def _runs_of(path: Path, runs: list[tuple[int, int]]) -> SplatArrays:
    splats = _read_chunk(path)
    for offset, count in runs:
        if offset < 0 or count < 0 or offset + count > len(splats.means):
            raise DatasetError(
                f"{path}: holds {len(splats.means)} splats, of which {INDEX} wants {count} from {offset} on"
            )
    return _part(splats, np.concatenate([np.arange(offset, offset + count) for offset, count in runs]))


def _read_chunk(path: Path) -> SplatArrays:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file, which {INDEX} names")
    with what_is_wrong(path):
        return decode_sog(path, lambda name: (path.parent / _inside(path, name)).read_bytes())


def _joined(parts: list[SplatArrays]) -> SplatArrays:
    """All parts, with as many coefficients and lobes as the part that has most."""
    columns = {}
    for name in vars(parts[0]):
        values = [getattr(part, name) for part in parts]
        if values[0].ndim == 3:
            most = max(value.shape[1] for value in values)
            values = [np.pad(value, ((0, 0), (0, most - value.shape[1]), (0, 0))) for value in values]
        columns[name] = np.concatenate(values)
    return SplatArrays(**columns)
