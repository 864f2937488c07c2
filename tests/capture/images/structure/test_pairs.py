"""Which photographs are matched with which."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest

from splatkit.capture.images.rigs.rig import CameraRig, Mount, RigCamera
from splatkit.capture.images.structure.pairing import (
    Matching,
    MatchingSet,
    choose_pairs,
    matching_set,
    nearest,
    pairs_of_unplaced,
)
from splatkit.capture.images.structure.triangulation import nearest_pairs
from splatkit.io.photographs.exif import GpsFix
from tests.room import look_at


def ring_vectors(count: int, around: int) -> np.ndarray:
    """Vectors whose products fall with the distance on a ring that is gone around several times."""
    angles = 2 * np.pi * around * np.arange(count) / count
    centers = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    vectors = np.exp(6 * np.cos(angles[:, None] - centers))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)


def no_vectors() -> np.ndarray:
    raise AssertionError("nothing was to be compared")


def numbered(count: int, in_order: bool = False, fixes: dict[str, GpsFix] | None = None) -> MatchingSet:
    return matching_set([str(index) for index in range(count)], fixes or {}, in_order=in_order)


def ahead(pairs: Sequence[tuple[str, str]]) -> set[int]:
    return {int(b) - int(a) for a, b in pairs}


@pytest.mark.parametrize("count", [2, 10, 80])
def test_few_photographs_are_matched_all_with_all(count):
    found = choose_pairs(numbered(count), "auto", no_vectors)
    assert set(found.pairs) == set(combinations(map(str, range(count)), 2))
    assert found.counts == {"all": len(found.pairs)} == {"all": count * (count - 1) // 2}


def test_of_a_sequence_neighbors_are_matched_and_some_farther_ahead():
    found = choose_pairs(numbered(400), "sequential", no_vectors)
    assert len(found.pairs) == len(set(found.pairs)) == found.counts["neighbors_in_order"] < 400 * 16
    assert ahead(found.pairs) == {*range(1, 11), 16, 32, 64, 128, 256}


def test_a_sequence_that_returns_closes_its_loop():
    """Two laps of 120 frames each: what lies a lap ahead shows the same."""
    found = choose_pairs(numbered(240, in_order=True), "auto", lambda: ring_vectors(240, 2))
    assert set(choose_pairs(numbered(240), "sequential", no_vectors).pairs) < set(found.pairs)
    assert found.counts.keys() == {"neighbors_in_order", "similar"}
    assert found.counts["similar"] <= 4 * 240
    closing = [(int(a), int(b)) for a, b in found.pairs if abs(int(b) - int(a) - 120) <= 2]
    assert {row % 120 for pair in closing for row in pair} == set(range(120))


def test_of_a_recording_neighbors_in_time_are_of_one_camera():
    names = [f"{camera}/{time:.6f}.png" for camera in ("left", "right") for time in range(60)]
    found = choose_pairs(matching_set(names, {}, in_order=True), "auto", lambda: ring_vectors(120, 2))
    sequence = found.pairs[: found.counts["neighbors_in_order"]]
    assert {(a.partition("/")[0], b.partition("/")[0]) for a, b in sequence} == {("left", "left"), ("right", "right")}
    across = [(a, b) for a, b in found.pairs if a[0] != b[0]]  # lap by lap both cameras see the same
    assert {b for _, b in across} == {name for name in names if name.startswith("right")}


def test_many_without_order_are_matched_with_what_looks_like_them_and_neighbors_by_name():
    rng = np.random.default_rng(0)
    order = rng.permutation(120)
    found = choose_pairs(numbered(120), "auto", lambda: ring_vectors(120, 1)[order])
    assert found.counts.keys() == {"similar", "neighbors_by_name"}
    on_ring = [
        min((order[int(a)] - order[int(b)]) % 120, (order[int(b)] - order[int(a)]) % 120) for a, b in found.pairs
    ]
    assert sum(step <= 10 for step in on_ring) == 120 * 10  # all of the ten nearest on each side
    assert {(str(i), str(i + step)) for step in (1, 2, 3) for i in range(120 - step)} <= set(found.pairs)


def test_the_nearest_by_gps_join_where_most_have_a_position():
    north = np.random.default_rng(1).uniform(0, 0.01, 120)

    def positions(known: int) -> dict[str, GpsFix]:
        return {str(index): GpsFix(50.0 + float(north[index]), 8.0, None, None) for index in range(known)}

    kinds = []
    for known in (60, 61):
        found = choose_pairs(numbered(120, fixes=positions(known)), "auto", lambda: ring_vectors(120, 1))
        kinds.append(set(found.counts))
    assert "near_by_gps" not in kinds[0]
    assert "near_by_gps" in kinds[1]


def test_the_nearest_by_gps_are_those_of_a_brute_search():
    """On both sides of the date line, by the haversine formula on a sphere; heights do not count."""
    rng = np.random.default_rng(2)
    north, east = rng.uniform(-1e-3, 1e-3, (2, 40))
    fixes: list[GpsFix | None] = [
        GpsFix(60 + float(a), (180 + float(b) + 180) % 360 - 180, float(h), None)
        for a, b, h in zip(north, east, rng.uniform(0, 500, 40), strict=True)
    ]
    fixes[7] = None
    phi, lam = np.radians(60 + north), np.radians(east)
    half = np.sin((phi[:, None] - phi) / 2) ** 2
    half += np.cos(phi[:, None]) * np.cos(phi) * np.sin((lam[:, None] - lam) / 2) ** 2
    half[7] = half[:, 7] = np.inf
    np.fill_diagonal(half, np.inf)
    expected = {(min(i, int(j)), max(i, int(j))) for i in range(40) if i != 7 for j in np.argsort(half[i])[:4]}
    assert set(nearest(fixes, 4)) == expected


def test_spatial_matching_compares_only_what_has_no_position():
    fixes = {str(index): GpsFix(50.0 + 1e-4 * index, 8.0, None, None) for index in range(60)}
    found = choose_pairs(numbered(60, fixes=fixes), "spatial", no_vectors)
    assert found.counts.keys() == {"near_by_gps"}
    assert max(ahead(found.pairs)) == 20  # at the ends of the row
    del fixes["30"]
    found = choose_pairs(numbered(60, fixes=fixes), "spatial", lambda: ring_vectors(60, 1))
    partners = {int(b if a == "30" else a) for a, b in found.pairs if "30" in (a, b)}
    assert {*range(20, 41)} - {30} == partners


@pytest.mark.parametrize("matching", ["auto", "exhaustive", "sequential", "retrieval"])
def test_frames_of_a_rig_are_matched_as_one(matching: Matching):
    """All images of one frame with all of the other; within a frame only where there is parallax."""
    names = [f"{camera}/{index}.png" for camera in ("a", "b") for index in range(120)]
    mounts = {name: Mount(name[0], name[2:]) for name in names}
    side = np.eye(4)
    for apart in (0.0, 0.2):
        side[0, 3] = apart
        rig = CameraRig((RigCamera("a", np.eye(4)), RigCamera("b", side.copy())), mounts)
        photographs = matching_set(names, {}, rig, in_order=matching == "auto")
        found = choose_pairs(photographs, matching, lambda: ring_vectors(120, 1))
        assert len(found.pairs) == len(set(found.pairs)) == sum(found.counts.values())
        assert found.counts.get("taken_together", 0) == (120 if apart else 0)
        frames = {(a[2:], b[2:]) for a, b in found.pairs if a[2:] != b[2:]}
        assert {(a[0], b[0]) for a, b in found.pairs} == {(a, b) for a in "ab" for b in "ab"}
        assert len(found.pairs) == 4 * len(frames) + (120 if apart else 0)


def test_the_unplaced_are_matched_with_more_that_look_like_them():
    photographs = numbered(100)
    vectors = ring_vectors(100, 1)
    known = choose_pairs(photographs, "retrieval", lambda: vectors).pairs
    placed = {str(index) for index in range(100) if index != 50}
    more = pairs_of_unplaced(photographs, known, placed, lambda: vectors)
    assert all("50" in pair for pair in more.pairs)
    assert not set(more.pairs) & set(known)
    assert len(more.pairs) == more.counts["of_unplaced"] == 60
    assert not pairs_of_unplaced(photographs, known, {*placed, "50"}, no_vectors).pairs
    everything = choose_pairs(photographs, "exhaustive", no_vectors).pairs
    assert not pairs_of_unplaced(photographs, everything, placed, no_vectors).pairs


def test_posed_views_are_matched_with_those_beside_them_that_look_the_same_way():
    """A ring of cameras that look outward: neighbors on the ring see the same, those across see the other side."""
    angles = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    centers = np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=-1)
    poses = np.stack([look_at(center, 3 * center) for center in centers])
    pairs = nearest_pairs([str(index) for index in range(60)], poses)
    apart = [min((int(b) - int(a)) % 60, (int(a) - int(b)) % 60) for a, b in pairs]
    assert max(apart) <= 7
    assert {(str(i), str(i + 1)) for i in range(59)} <= set(pairs)
