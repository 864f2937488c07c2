"""Which photographs are matched with which."""

import numpy as np

from splatkit.capture.images.structure.reconstruction import sfm_pairs
from splatkit.capture.images.structure.triangulation import nearest_pairs
from tests.room import look_at


def test_few_photographs_are_matched_all_with_all():
    names = [str(index) for index in range(10)]
    assert len(sfm_pairs(names, "auto")) == 45
    assert len(set(sfm_pairs(names, "auto"))) == 45


def test_of_a_sequence_neighbors_are_matched_and_some_farther_ahead():
    pairs = sfm_pairs([str(index) for index in range(400)], "auto")
    assert len(pairs) == len(set(pairs)) < 400 * 16
    ahead = {int(b) - int(a) for a, b in pairs}
    assert ahead == {*range(1, 11), 16, 32, 64, 128, 256}


def test_posed_views_are_matched_with_those_beside_them_that_look_the_same_way():
    """A ring of cameras that look outward: neighbors on the ring see the same, those across see the other side."""
    angles = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    centers = np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=-1)
    poses = np.stack([look_at(center, 3 * center) for center in centers])
    pairs = nearest_pairs([str(index) for index in range(60)], poses)
    apart = [min((int(b) - int(a)) % 60, (int(a) - int(b)) % 60) for a, b in pairs]
    assert max(apart) <= 7
    assert {(str(i), str(i + 1)) for i in range(59)} <= set(pairs)
