"""What looks alike by its own features: against overlaps that are known."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pycolmap
import pytest

from splatkit.capture.images.structure.feature_matching import FeatureSettings, create_database, extract_features
from splatkit.capture.images.structure.retrieval import Vectors, describe, links, most_similar
from splatkit.geometry.camera import Camera
from splatkit.io.images import write_image
from splatkit.progress import no_progress
from tests.capture.images.box_room import SIZE_M, level_pose, render

POINTS, WINDOW, STEP = 600, 100, 10  # a ring of points; each image sees a stretch of it, the next a step on


def database_of(path: Path, seen: Sequence[np.ndarray]) -> Path:
    """Images 000.png and so on with these descriptors [K, 128]."""
    camera = pycolmap.Camera.create_from_model_name(1, "PINHOLE", 100.0, 100, 100)
    create_database(path, [camera], [(f"{index:03d}.png", 1) for index in range(len(seen))])
    with pycolmap.Database.open(path) as opened:
        for image in opened.read_all_images():
            descriptors = seen[int(image.name[:3])]
            opened.write_keypoints(image.image_id, np.zeros((len(descriptors), 2), np.float32))
            kind = pycolmap.FeatureExtractorType.SIFT
            opened.write_descriptors(image.image_id, pycolmap.FeatureDescriptors(kind, descriptors.astype(np.uint8)))
    return path


def descriptors(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Of points [K], as another image has them: the same to a tenth."""
    own = np.random.default_rng(0).exponential(40, (POINTS, 128))[points]
    return np.clip(own * rng.normal(1, 0.1, own.shape), 0, 255)


def ring(order: np.ndarray) -> list[np.ndarray]:
    """What each of the images sees, in an order of names."""
    rng = np.random.default_rng(3)
    return [descriptors(np.arange(k * STEP, k * STEP + WINDOW) % POINTS, rng) for k in order]


def described(path: Path, count: int, seed: int = 0) -> Vectors:
    return describe(path, [[f"{index:03d}.png"] for index in range(count)], seed, no_progress)


def test_the_most_similar_are_those_that_share_most_points(tmp_path):
    """Of 60 images each overlaps nine on either side, by 90 % to 10 %."""
    order = np.random.default_rng(1).permutation(60)
    path = database_of(tmp_path / "ring.db", ring(order))
    for seed in range(3):
        pairs = most_similar(described(path, 60, seed), range(60), 6, set())
        apart = [min((order[a] - order[b]) % 60, (order[b] - order[a]) % 60) for a, b in pairs]
        assert all(a < b for a, b in pairs)
        assert len(set(pairs)) == len(pairs)
        assert max(apart) <= 4  # 3 over ten seeds; 10 % overlap at 9
        assert sum(step <= 2 for step in apart) == 120  # the nearest two on both sides, all of them


def test_the_same_features_give_the_same_bits(tmp_path):
    path = database_of(tmp_path / "ring.db", ring(np.arange(60)))
    assert described(path, 60).tobytes() == described(path, 60).tobytes()


def test_frames_of_a_rig_are_compared_as_one(tmp_path):
    """Two cameras that look to opposite sides: a frame and the next share both, though no image is like its sibling."""
    both = ring(np.arange(60))
    path = database_of(tmp_path / "ring.db", both)
    groups = [[f"{index:03d}.png", f"{index + 30:03d}.png"] for index in range(30)]
    vectors = describe(path, groups, 0, no_progress)
    pairs = most_similar(vectors, range(30), 2, set())
    assert {(i, i + 1) for i in range(29)} | {(0, 29)} <= set(pairs)  # half a ring on, both have changed sides


def test_images_without_features_are_in_no_pair(tmp_path):
    seen = ring(np.arange(12))
    seen[4] = seen[9] = np.zeros((0, 128))
    vectors = described(database_of(tmp_path / "some.db", seen), 12)
    assert not vectors[[4, 9]].any()
    pairs = most_similar(vectors, range(12), 11, set())
    assert {row for pair in [*pairs, *links(vectors, [])] for row in pair} == set(range(12)) - {4, 9}
    nothing = described(database_of(tmp_path / "none.db", [np.zeros((0, 128))] * 3), 3)
    assert most_similar(nothing, range(3), 2, set()) == links(nothing, []) == []


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_images_with_few_features_are_all_that_there_is(tmp_path, count):
    seen = [descriptors(np.arange(2), np.random.default_rng(index)) for index in range(count)]
    vectors = described(database_of(tmp_path / "few.db", seen), count)
    found = {*most_similar(vectors, range(count), 20, set()), *links(vectors, [])}
    assert found == {(i, j) for i in range(count) for j in range(i + 1, count)}


def test_copies_of_one_photograph_do_not_cut_it_off(tmp_path):
    """Thirty copies each of four views in a row are most like each other; links join the views, the nearest first."""
    seen = [view for view in ring(np.arange(0, 20, 5)) for _ in range(30)]
    vectors = described(database_of(tmp_path / "copies.db", seen), 120)
    alike = most_similar(vectors, range(120), 20, set())
    assert all(a // 30 == b // 30 for a, b in alike)
    joined = links(vectors, alike)
    assert {(a // 30, b // 30) for a, b in joined} == {(0, 1), (1, 2), (2, 3)}
    assert len(joined) <= 5 * 3 + 5  # three views find their nearest, then what is two sets becomes one


def test_known_pairs_do_not_count_and_partners_lie_apart(tmp_path):
    vectors = described(database_of(tmp_path / "ring.db", ring(np.arange(60))), 60)
    known = {(i, i + 1) for i in range(59)} | {(0, 59)}
    pairs = most_similar(vectors, [30], 3, known, apart=3)
    partners = {b if a == 30 else a for a, b in pairs}
    assert len(partners) == 3
    assert not {29, 31} & partners
    assert all(abs(a - b) >= 3 for a in partners for b in partners if a != b)


@pytest.mark.slow
def test_photographs_of_a_room_find_those_that_overlap_them(tmp_path):
    """Thirty photographs in a closed room, which hides nothing: what two share is known from their rays."""
    camera = Camera("pinhole", 128, 96, 104.0, 104.0, 64.0, 48.0)
    rng = np.random.default_rng(4)
    poses = [
        level_pose((rng.uniform(2, 4), rng.uniform(2, 3), rng.uniform(1.2, 1.8)), float(yaw))
        for yaw in rng.uniform(0, 360, 30)
    ]
    names = [f"{index:03d}.png" for index in range(30)]
    for name, pose in zip(names, poses, strict=True):
        write_image(tmp_path / "images" / name, render(camera, pose, supersampling=1))
    first = pycolmap.Camera.create_from_model_name(1, "PINHOLE", 104.0, 128, 96)
    create_database(tmp_path / "room.db", [first], [(name, 1) for name in names])
    extract_features(tmp_path / "room.db", tmp_path / "images", None, FeatureSettings(), no_progress)
    overlap = np.array([[shared(camera, a, b) for b in poses] for a in poses])
    overlap = np.minimum(overlap, overlap.T)
    np.fill_diagonal(overlap, 0)
    pairs = most_similar(
        describe(tmp_path / "room.db", [[name] for name in names], 0, no_progress), range(30), 4, set()
    )
    best = {(min(i, int(j)), max(i, int(j))) for i, j in enumerate(overlap.argmax(1))}
    assert np.mean([overlap[pair] > 0.1 for pair in pairs]) > 0.9  # 0.97 to 1 over four seeds; 0.12 by chance
    assert best <= set(pairs)


def shared(camera: Camera, a: np.ndarray, b: np.ndarray) -> float:
    """The part of what a camera at T_world_camera sees that another sees too."""
    x, y = np.meshgrid(np.arange(4, camera.width, 8), np.arange(4, camera.height, 8))
    rays = camera.rays(np.stack([x, y], -1).reshape(-1, 2).astype(float)) @ a[:3, :3].T
    with np.errstate(divide="ignore"):
        lengths = np.where(rays > 0, (SIZE_M - a[:3, 3]) / rays, np.where(rays < 0, -a[:3, 3] / rays, np.inf)).min(1)
    local = (a[:3, 3] + lengths[:, None] * rays - b[:3, 3]) @ b[:3, :3]
    u, v = (local[:, :2] / local[:, 2:] * camera.fx + [camera.cx, camera.cy]).T
    return float(((local[:, 2] > 0) & (u > 0) & (v > 0) & (u < camera.width) & (v < camera.height)).mean())
