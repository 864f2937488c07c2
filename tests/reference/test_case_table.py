"""The derived case table, by exhaustion: every case, and every pair of neighboring cells."""

from collections import Counter
from itertools import product

import pytest

from splatkit.ops import native
from splatkit.reference.case_table import CASES, edge_corners, face_corners, is_ambiguous, loops_of

_OFFSETS = [(c & 1, c >> 1 & 1, c >> 2 & 1) for c in range(8)]


def crossed_edges(case: int) -> set[int]:
    return {e for e in range(12) if len({case >> corner & 1 for corner in edge_corners(e)}) == 2}


@pytest.mark.parametrize("part_inside", [True, False])
def test_every_crossed_edge_lies_in_exactly_one_loop(part_inside: bool):
    for case in range(256):
        edges = [edge for loop in loops_of(case, part_inside) for edge in loop]
        assert sorted(edges) == sorted(crossed_edges(case))


def test_neighbors_in_a_loop_share_a_face():
    faces = [{e for e in range(12) if set(edge_corners(e)) <= set(face_corners(face))} for face in range(6)]
    for case in range(256):
        for loop in CASES[case].loops:
            for a, b in zip(loop, (*loop[1:], loop[0]), strict=True):
                assert any({a, b} <= face for face in faces)


def test_complements_have_the_loops_of_the_other_rule_reversed():
    for case in range(256):
        assert sorted(map(sorted, loops_of(case))) == sorted(map(sorted, loops_of(255 - case, part_inside=False)))


def test_counts_are_those_of_dual_marching_cubes():
    """As in the tables of Nielson's and FlexiCubes' releases: 36 problem cases, up to four vertices a cell."""
    assert Counter(len(case.loops) for case in CASES) == {0: 2, 1: 162, 2: 82, 3: 8, 4: 2}
    assert max(len(loop) for case in CASES for loop in case.loops) == 7
    assert sum(case.problem_face >= 0 for case in CASES) == 36


def problem_faces(case: int, part_inside: bool) -> list[int]:
    """Ambiguous faces whose four edges all lie in one loop."""
    loops = loops_of(case, part_inside)
    return [
        face
        for face in range(6)
        if is_ambiguous(case, face)
        and any(
            {e for e in range(12) if set(edge_corners(e)) <= set(face_corners(face))} <= set(loop) for loop in loops
        )
    ]


def test_a_case_has_one_problem_face_at_most_and_none_once_resolved():
    for number, case in enumerate(CASES):
        assert problem_faces(number, True) == ([case.problem_face] if case.problem_face >= 0 else [])
        if case.problem_face >= 0:
            # The complement changes all faces; that is safe if no other one is ambiguous.
            assert [f for f in range(6) if is_ambiguous(number, f)] == [case.problem_face]
            assert problem_faces(number, False) == []


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_all_pairs_of_neighbors_are_joined_edge_by_edge(axis: int):
    """All 4096 sign patterns of two cells: their vertices' edges match across the face, and no two edges coincide."""
    shared = [c for c in range(8) if c >> axis & 1]
    face_low, face_high = 2 * axis + 1, 2 * axis
    repaired = 0
    for signs in product((0, 1), repeat=12):
        low = sum(bit << corner for corner, bit in enumerate(signs[:8]))
        high = sum((low >> corner & 1) << (corner ^ 1 << axis) for corner in shared)
        high |= sum(bit << corner for corner, bit in zip(shared, signs[8:], strict=True))
        flip = CASES[low].problem_face == face_low and CASES[high].problem_face == face_high
        repaired += flip
        across = []
        for case, face, shift in ((low, face_low, 0), (high, face_high, 1 << axis)):
            chosen = 255 - case if flip else case
            loop_of = {edge: number for number, loop in enumerate(CASES[chosen].loops) for edge in loop}
            # Edges of the face by their corners in the low cell, and which of the face's segments they end.
            on_face = [e for e in crossed_edges(case) if set(edge_corners(e)) <= set(face_corners(face))]
            across.append({frozenset(c ^ shift for c in edge_corners(e)): loop_of[e] for e in on_face})
        assert across[0].keys() == across[1].keys()
        # An edge of the dual surface joins two loops across the face; each of the face's segments stands for one.
        uses = Counter((across[0][edge], across[1][edge]) for edge in across[0])
        assert all(count == 2 for count in uses.values())
    assert repaired == 18


def test_native_table_is_the_derived_one():
    for number, case in enumerate(CASES):
        assert native().surface_case(number) == (case.loops, case.problem_face)
