"""Features of photographs and their matches, in a database of COLMAP that survives interruption.

Cameras and images are written first and all at once; features are then found a few images at a time, pairs matched a
few at a time, each of which the database keeps for good. Whoever starts again with the same file goes on behind the
last of them.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pycolmap

from splatkit.errors import DatasetError, SplatkitError
from splatkit.progress import Progress

_PAIRS_AT_A_TIME = 40
_LOG_FATAL_ONLY = 3


@dataclass(frozen=True)
class FeatureSettings:
    """How features are found and matched."""

    longest_side: int = 1600
    """px that images are reduced to before features are searched; they are located to a fraction of a pixel."""
    features: int = 8192
    """Maximum number of features in an image; the largest are kept."""
    seed: int = 0
    """Seed of the random samples that matches are verified with."""
    workers: int = 1
    """Threads."""


@contextmanager
def colmap_errors(what: str) -> Iterator[None]:
    """COLMAP's failures as one line; its own log, which speaks to those who develop it, is kept quiet."""
    pycolmap.logging.minloglevel = _LOG_FATAL_ONLY
    try:
        yield
    except (RuntimeError, ValueError, IndexError) as error:
        raise SplatkitError(f"{what}: COLMAP gave up ({' '.join(str(error).split())[:300]})") from error


def create_database(path: Path, cameras: Sequence[pycolmap.Camera], images: Sequence[tuple[str, int]]) -> None:
    """Write cameras and images, unless the file is there: then it was complete before anything else was put into it.

    Args:
        path: of the database.
        cameras: with camera_id 1, 2, ...
        images: name and camera_id of each.
    """
    if path.exists():
        return
    partial = path.with_name(path.name + ".partial")
    for leftover in path.parent.glob(partial.name + "*"):
        leftover.unlink()
    with (
        colmap_errors(str(path)),
        pycolmap.Database.open(partial) as database,
        pycolmap.DatabaseTransaction(database),
    ):
        for camera in cameras:
            database.write_camera(camera, use_camera_id=True)
        for name, camera_id in images:
            database.write_image(pycolmap.Image(name=name, camera_id=camera_id))
    partial.rename(path)


def extract_features(
    database: Path, images: Path, masks: Path | None, settings: FeatureSettings, progress: Progress
) -> None:
    """Find SIFT features in all images of the database that have none yet.

    Args:
        database: as `create_database` made it.
        images: folder that the names are relative to.
        masks: folder with NAME.png of each image, black where nothing is to be found.
        settings: of SIFT.
        progress: shows a bar.
    """
    options = pycolmap.FeatureExtractionOptions()
    options.max_image_size = settings.longest_side
    options.num_threads = settings.workers
    options.sift.max_num_features = settings.features
    reader = pycolmap.ImageReaderOptions()
    if masks is not None:
        reader.mask_path = masks
    with pycolmap.Database.open(database) as opened:
        names = [(image.name, opened.exists_descriptors(image.image_id)) for image in opened.read_all_images()]
    missing = sorted(name for name, done in names if not done)
    with progress("finding features", len(names)) as advance:
        advance(len(names) - len(missing))
        for batch in _batches(missing, settings.workers):
            with colmap_errors("features"):
                pycolmap.extract_features(
                    database,
                    images,
                    image_names=batch,
                    reader_options=reader,
                    extraction_options=options,
                    device=pycolmap.Device.cpu,
                )
            advance(len(batch))
    with pycolmap.Database.open(database) as opened:
        unread = [image.name for image in opened.read_all_images() if not opened.exists_descriptors(image.image_id)]
    if unread:
        raise DatasetError(
            f"{(images / unread[0]).resolve()}: COLMAP cannot read this image; turn it into a .png or .jpg"
        )


def match_features(
    database: Path, pairs: Sequence[tuple[str, str]], settings: FeatureSettings, progress: Progress
) -> None:
    """Match the features of pairs of images, and keep what one motion of the camera explains."""
    matching = pycolmap.FeatureMatchingOptions()
    matching.num_threads = settings.workers
    verification = pycolmap.TwoViewGeometryOptions()
    verification.ransac.random_seed = settings.seed
    listed = pycolmap.ImportedPairingOptions()
    listed.match_list_path = database.with_name("pairs.txt")
    with pycolmap.Database.open(database) as opened:
        ids = {image.name: image.image_id for image in opened.read_all_images()}
        missing = [(a, b) for a, b in pairs if not opened.exists_matches(ids[a], ids[b])]
    with progress("matching pairs", len(pairs)) as advance:
        advance(len(pairs) - len(missing))
        for batch in _batches(missing, _PAIRS_AT_A_TIME):
            listed.match_list_path.write_text("".join(f"{a} {b}\n" for a, b in batch), encoding="utf-8")
            with colmap_errors("matches"):
                pycolmap.match_image_pairs(
                    database,
                    matching_options=matching,
                    pairing_options=listed,
                    verification_options=verification,
                    device=pycolmap.Device.cpu,
                )
            advance(len(batch))


def _batches(items: list, size: int) -> Iterator[list]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def linked_pairs(database: Path, pairs: Sequence[tuple[str, str]]) -> int:
    """How many of the pairs have as many verified matches as structure from motion asks for."""
    fewest = pycolmap.IncrementalPipelineOptions().min_num_matches
    with pycolmap.Database.open(database) as opened:
        ids = {image.name: image.image_id for image in opened.read_all_images()}
        counts = dict(zip(*opened.read_two_view_geometry_num_inliers(), strict=True))
    return sum(counts.get(pycolmap.image_pair_to_pair_id(ids[a], ids[b]), 0) >= fewest for a, b in pairs)


def most_matches(database: Path, without: set[str]) -> dict[str, int]:
    """Of all images but some: the most verified matches that each has with another."""
    with pycolmap.Database.open(database) as opened:
        images = {image.image_id: image.name for image in opened.read_all_images()}
        pairs, counts = opened.read_two_view_geometry_num_inliers()
    best = {name: 0 for name in images.values() if name not in without}
    for pair, count in zip(pairs, counts, strict=True):
        for image_id in pycolmap.pair_id_to_image_pair(pair):
            name = images[image_id]
            if name in best:
                best[name] = max(best[name], int(count))
    return best
