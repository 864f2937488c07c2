"""Few numbers that stand for many: codebooks of values and of vectors, and an order in which neighbors are alike."""

import numpy as np
from numpy.typing import NDArray

_LINE_ROUNDS = 20  # of Lloyd's iteration; the error changes by less than 1 % after them
_BINS = 2048
_PALETTE_ROUNDS = 12
_CHUNK = 1 << 22  # distances computed at once
_MOST_DISTANCES = 1 << 28  # of a round of Lloyd's iteration
_DRAWN = 64  # vectors for each center of a part
_INVISIBLE = 1 / 512  # a color below this changes no image of 8 bits
_LOBE_COLORS = 64  # values that are told apart
LOBE_STEPS = (64, 64, 32)  # of polar angle, azimuth and sharpness
_SHARPNESS_LOW, _SHARPNESS_HIGH = -4.0, 4.0  # of lobes; beyond, a lobe is as wide as the sphere or seen by nobody


def line_codebook(values: NDArray[np.floating], size: int = 256) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """`size` ascending numbers (at most 256) that values [...] are replaced by, and the index of each value's.

    Lloyd's iteration from the density that is best for many numbers, the cube root of that of the values (Panter and
    Dite 1951): between evenly over the range, and as the values themselves.
    """
    flat = np.asarray(values, dtype=np.float64).reshape(-1)
    counts, edges = np.histogram(flat, _BINS)
    share = np.concatenate([[0], np.cumsum(np.cbrt(counts))])
    code = np.interp((np.arange(size) + 0.5) / size * share[-1], share, edges)
    ordered = np.sort(flat)
    summed = np.concatenate([[0], np.cumsum(ordered)])
    for _ in range(_LINE_ROUNDS):
        ends = np.searchsorted(ordered, (code[1:] + code[:-1]) / 2, side="right")
        ends = np.concatenate([[0], ends, [len(ordered)]])
        counts, sums = np.diff(ends), np.diff(summed[ends])
        code = np.sort(np.where(counts > 0, sums / np.maximum(counts, 1), code))
    code32 = code.astype(np.float32)
    labels = np.searchsorted((code[1:] + code[:-1]) / 2, flat)
    return code32, labels.astype(np.uint8).reshape(np.shape(values))


def vector_palette(
    vectors: NDArray[np.float32], size: int, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Palette [P, D] of at most `size` vectors that vectors [N, D] are replaced by, and the index [N] of each one's.

    Lloyd's iteration from vectors drawn at random; where no more than `size` differ, they are kept as they are. So many
    vectors that this would take minutes are first parted among the square root of `size` ones.
    """
    if len(vectors) * size > _MOST_DISTANCES:
        return _palette_of_parts(vectors, size, seed)
    distinct, labels = np.unique(vectors, axis=0, return_inverse=True)
    if len(distinct) <= size:
        return distinct, labels.reshape(-1)
    rng = np.random.default_rng(seed)
    palette = distinct[np.sort(rng.choice(len(distinct), size, replace=False))]
    for _ in range(_PALETTE_ROUNDS):
        labels = _nearest(vectors, palette)
        counts = np.bincount(labels, minlength=size)
        order = np.argsort(labels, kind="stable")
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
        used = counts > 0
        sums = np.add.reduceat(vectors[order], starts[used], axis=0)
        palette = palette.copy()
        palette[used] = sums / counts[used, None]
    return palette, _nearest(vectors, palette)


def _palette_of_parts(
    vectors: NDArray[np.float32], size: int, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """A palette for each part, with its share of the entries; the time grows with the square root of `size`."""
    count = round(np.sqrt(size))
    drawn = np.random.default_rng(seed).choice(len(vectors), min(len(vectors), count * _DRAWN), replace=False)
    centers, _ = vector_palette(vectors[np.sort(drawn)], count, seed)
    part_of = _nearest(vectors, centers)
    order = np.argsort(part_of, kind="stable")
    labels = np.empty(len(vectors), np.int64)
    palettes, entries = [], 0
    for members in np.split(order, np.cumsum(np.bincount(part_of, minlength=len(centers)))[:-1]):
        if len(members) == 0:
            continue
        share = 1 + (size - len(centers)) * len(members) // len(vectors)
        palette, mine = vector_palette(vectors[members], share, seed)
        labels[members] = entries + mine
        palettes.append(palette)
        entries += len(palette)
    return np.concatenate(palettes), labels


def _nearest(vectors: NDArray[np.float32], palette: NDArray[np.float32]) -> NDArray[np.int64]:
    squares = (palette**2).sum(1) / 2
    step = max(1, _CHUNK // len(palette))
    return np.concatenate(
        [(squares - vectors[i : i + step] @ palette.T).argmin(1) for i in range(0, len(vectors), step)]
    )


def morton_order(points: NDArray[np.floating]) -> NDArray[np.int64]:
    """Indices [N] that sort points [N, 3] along a curve through space: neighbors in it are neighbors in space."""
    low, high = points.min(0), points.max(0)
    cells = ((points - low) / np.maximum(high - low, 1e-12) * 1023).astype(np.uint64)
    code = np.zeros(len(points), dtype=np.uint64)
    for bit in range(10):
        for axis in range(3):
            code |= ((cells[:, axis] >> np.uint64(bit)) & np.uint64(1)) << np.uint64(3 * bit + axis)
    return np.argsort(code, kind="stable")


def pack_lobes(lobes: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Spherical-beta lobes as small numbers: on a trained scene, finer steps bring no dB.

    Args:
        lobes: [N, L, 6], see `splatting.spherical_beta`.

    Returns:
        The codebook of their colors; [N, L, 6] bytes: indices of red, green and blue, then steps of polar angle,
        azimuth and sharpness. Of lobes that nobody can see all but the color is 0, which compresses well.
    """
    code, colors = line_codebook(lobes[..., :3], _LOBE_COLORS)
    zero = int(np.abs(code).argmin())
    code[zero] = 0
    invisible = np.abs(lobes[..., :3]).max(-1) < _INVISIBLE
    polar, azimuth = np.mod(lobes[..., 3], 2 * np.pi), lobes[..., 4]
    beyond = polar > np.pi  # training lets angles run free
    polar = np.where(beyond, 2 * np.pi - polar, polar)
    azimuth = np.mod(np.where(beyond, azimuth + np.pi, azimuth), 2 * np.pi)
    sharpness = np.clip((lobes[..., 5] - _SHARPNESS_LOW) / (_SHARPNESS_HIGH - _SHARPNESS_LOW), 0, 1)
    steps = [
        np.round(polar / np.pi * (LOBE_STEPS[0] - 1)),
        np.round(azimuth / (2 * np.pi) * LOBE_STEPS[1]) % LOBE_STEPS[1],
        np.round(sharpness * (LOBE_STEPS[2] - 1)),
    ]
    shape = np.stack(steps, -1)
    colors[invisible] = zero
    shape[invisible] = 0
    return code, np.concatenate([colors, shape.astype(np.uint8)], -1)


def unpack_lobes(
    code: NDArray[np.float32], packed: NDArray[np.integer], steps: tuple[int, ...] = LOBE_STEPS
) -> NDArray[np.float32]:
    """What `pack_lobes` packed, [N, L, 6], with its codebook and the steps that it was packed by."""
    polar, azimuth, sharpness = (packed[..., k].astype(np.float32) for k in (3, 4, 5))
    sharpness = _SHARPNESS_LOW + sharpness / (steps[2] - 1) * (_SHARPNESS_HIGH - _SHARPNESS_LOW)
    polar, azimuth = polar / (steps[0] - 1) * np.pi, azimuth / steps[1] * 2 * np.pi
    shape = np.stack([polar, azimuth, sharpness], -1)
    return np.concatenate([code[packed[..., :3]], shape.astype(np.float32)], -1)
