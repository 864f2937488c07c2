"""Which photographs look alike, by their own features: nothing is downloaded and nothing was trained elsewhere.

VLAD (Jegou et al., "Aggregating local descriptors into a compact image representation", CVPR 2010): a small vocabulary
of the set's own SIFT features, and for each photograph the sum of what its features differ from their nearest words.
Each word's sum is scaled to length one, so that a repeated texture counts once (Arandjelovic and Zisserman, "All about
VLAD", CVPR 2013).
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import pycolmap
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from splatkit.progress import Progress

_WORDS = 64
_FEATURES_A_WORD = 8  # at least: what is its own word has no difference from it
_SAMPLE = 20_000  # features that the vocabulary is made of
_ROUNDS = 10  # of k-means: more do not change which photographs are most similar
_CHUNK = 256  # photographs that are compared with all others at a time
_LINKS = 5  # pairs that join a group to what it most resembles

Vectors = NDArray[np.float16]
Pair = tuple[int, int]  # the smaller number first


def describe(database: Path, groups: Sequence[Sequence[str]], seed: int, progress: Progress) -> Vectors:
    """A vector of each group of images, whose products tell how much alike groups look.

    Args:
        database: with features of all images.
        groups: names of images that were taken together; most are alone.
        seed: of the sample that the vocabulary is made of.
        progress: shows a bar.

    Returns:
        [N, words * 128], of length one; zeros where a group has no features. 16 KB of each at most.
    """
    with pycolmap.Database.open(database) as opened:
        ids = {image.name: image.image_id for image in opened.read_all_images()}
        words = _vocabulary(opened, [ids[name] for group in groups for name in group], seed)
        out = np.zeros((len(groups), words.size), np.float16)
        with progress("comparing photographs", len(groups)) as advance:
            for row, group in zip(out, groups, strict=True):
                row[:] = _vlad(np.concatenate([_features(opened, ids[name]) for name in group]), words)
                advance(1)
    return out


def most_similar(vectors: Vectors, rows: Sequence[int], count: int, known: set[Pair], apart: int = 1) -> list[Pair]:
    """Pairs of each of `rows` with what looks most like it and is not known yet.

    Args:
        vectors: of `describe`.
        rows: which to find partners of.
        count: of partners of each, at most.
        known: pairs that do not count.
        apart: partners of one row have numbers that differ by at least that.
    """
    found: dict[Pair, None] = {}
    has_features = vectors.any(axis=1)
    for row, similarity in _similarities(vectors, rows):
        free = has_features.copy()
        free[row] = False
        left = count
        for other in map(int, np.argsort(-similarity, kind="stable")):
            if left == 0:
                break
            pair = (min(row, other), max(row, other))
            if free[other] and pair not in known:
                found[pair] = None
                free[max(other - apart + 1, 0) : other + apart] = False
                left -= 1
    return list(found)


def links(vectors: Vectors, pairs: Sequence[Pair]) -> list[Pair]:
    """Pairs that make one set of what falls into several: each is joined to what it most resembles.

    Many copies of one photograph, for example, resemble each other most and nothing else as much.
    """
    out: list[Pair] = []
    has_features = vectors.any(axis=1)
    while True:
        ends = np.array([*pairs, *out], dtype=np.int64).reshape(-1, 2)
        graph = csr_array((np.ones(len(ends)), ends.T), shape=(len(vectors), len(vectors)))
        _, labels = connected_components(graph, directed=False)
        labels[~has_features] = -1
        kinds, sizes = np.unique(labels[has_features], return_counts=True)
        new = [
            pair
            for kind in kinds
            if len(kinds) > 1 and kind != kinds[sizes.argmax()]
            for pair in _best_outside(vectors, labels, kind)
        ]
        if not new:
            return out
        out = list(dict.fromkeys([*out, *new]))


def _best_outside(vectors: Vectors, labels: NDArray[np.int32], kind: int) -> list[Pair]:
    """The pairs of one set's members with others' that look most alike; each member has one at most."""
    best = []
    for row, similarity in _similarities(vectors, np.flatnonzero(labels == kind).tolist()):
        similarity[(labels == kind) | (labels < 0)] = -np.inf
        other = int(similarity.argmax())
        best.append((-float(similarity[other]), min(row, other), max(row, other)))
    return [(i, j) for _, i, j in sorted(best)[:_LINKS]]


def _similarities(vectors: Vectors, rows: Sequence[int]) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Each row and its similarity [N] to all; those with features only."""
    for start in range(0, len(rows), _CHUNK):
        chunk = rows[start : start + _CHUNK]
        mine = vectors[chunk].astype(np.float32)
        table = np.concatenate(
            [mine @ vectors[k : k + _CHUNK].astype(np.float32).T for k in range(0, len(vectors), _CHUNK)], axis=1
        )
        yield from ((row, line) for row, line, vector in zip(chunk, table, mine, strict=True) if vector.any())


def _features(opened: pycolmap.Database, image_id: int) -> NDArray[np.float32]:
    """[K, 128] of length one. COLMAP keeps square roots of SIFT's histograms, whose products are Hellinger's kernel."""
    found = np.asarray(opened.read_descriptors(image_id).data, dtype=np.float32).reshape(-1, 128)
    return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-6)


def _vocabulary(opened: pycolmap.Database, image_ids: Sequence[int], seed: int) -> NDArray[np.float32]:
    """[W, 128] by k-means on a sample of all images; fewer words where there are fewer features."""
    rng = np.random.default_rng(seed)
    each = max(_SAMPLE // max(len(image_ids), 1), 1)
    chosen = []
    for image_id in image_ids:
        features = _features(opened, image_id)
        chosen.append(features[np.sort(rng.permutation(len(features))[:each])])
    sample = np.concatenate(chosen) if chosen else np.zeros((0, 128), np.float32)
    if len(sample) == 0:
        return sample
    words = min(_WORDS, max(len(sample) // _FEATURES_A_WORD, 1))
    cv2.setRNGSeed(int(rng.integers(1 << 31)))
    ends = (cv2.TERM_CRITERIA_COUNT, _ROUNDS, 0.0)
    unknown = np.zeros((0, 1), np.int32)  # labels, which come out
    return np.asarray(cv2.kmeans(sample, words, unknown, ends, 1, cv2.KMEANS_PP_CENTERS)[2])


def _vlad(features: NDArray[np.float32], words: NDArray[np.float32]) -> NDArray[np.float32]:
    """[W * 128] of features [K, 128]."""
    count = len(features)
    if count == 0 or len(words) == 0:
        return np.zeros(words.size, np.float32)
    nearest = np.argmin((words**2).sum(1) - 2 * features @ words.T, axis=1)
    members = csr_array((np.ones(count, np.float32), (nearest, np.arange(count))), shape=(len(words), count))
    sums = members @ features - members.sum(axis=1)[:, None] * words
    sums /= np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-6)
    return np.asarray(sums / max(float(np.linalg.norm(sums)), 1e-6)).ravel()
