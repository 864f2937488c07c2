"""How much room on the disk a capture needs."""

from pathlib import Path

from splatkit.capture.free_space import require_free
from splatkit.capture.images.inputs import GatheredImages
from splatkit.capture.images.structure.feature_matching import FeatureSettings
from splatkit.capture.images.structure.pairing import EXHAUSTIVE_UP_TO

_FEATURE_BYTES = 152  # a descriptor of 128 bytes and a keypoint of six floats
_PIXELS_PER_FEATURE = 100  # what textured photographs come to
_MATCH_BYTES_PER_FEATURE = 2  # of a pair: one feature in eight is matched, two numbers of four bytes, twice
_PAIRS_OF_AN_IMAGE = 40  # the most similar and neighbors in time or by GPS; fewer in one sequence
_DEPTH_BYTES = 2  # of a pixel of a depth map, hardly compressed
_BESIDES = 2 << 20  # reports, records, and what the database keeps to go back


def require_space(out: Path, gathered: GatheredImages, features: FeatureSettings) -> None:
    """Refuse a capture that the disk has no room for, before anything is written.

    Args:
        out: where the dataset will be.
        gathered: what it is made from.
        features: how many of them are kept.

    Raises:
        OSError: there is less free space than the estimate; the message names both.
    """
    require_free(out, _dataset_bytes(gathered) + _database_bytes(gathered, features) + _BESIDES)


def _dataset_bytes(gathered: GatheredImages) -> int:
    """Photographs, masks and depth maps as they are copied; what the capture made itself is there already."""
    cameras = () if gathered.given is None else gathered.given.cameras
    copied = [] if gathered.are_made else [file.path for file in gathered.files]
    depth = sum(
        _DEPTH_BYTES * camera.posed.camera.width * camera.posed.camera.height
        for camera in cameras
        if camera.read_depth is not None
    )
    return sum(path.stat().st_size for path in (*copied, *gathered.masks.values())) + depth


def _database_bytes(gathered: GatheredImages, features: FeatureSettings) -> int:
    """Of COLMAP's features and matches; none where points are given."""
    if gathered.given is not None and gathered.given.points is not None:
        return 0
    counts = []
    for file in gathered.files:
        reduction = max(1.0, max(file.width, file.height) / features.longest_side)
        pixels = file.width * file.height / reduction**2
        counts.append(min(features.features, int(pixels / _PIXELS_PER_FEATURE)))
    images = len(counts)
    pairs_each = (images - 1) / 2 if images <= EXHAUSTIVE_UP_TO else _PAIRS_OF_AN_IMAGE
    return int(sum(counts) * (_FEATURE_BYTES + _MATCH_BYTES_PER_FEATURE * pairs_each))
