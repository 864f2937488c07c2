"""The case table of dual marching cubes, derived and not listed.

A cell's case has bit c set where corner c lies inside. The surface cuts each face along segments between crossed edges,
and the segments close to loops; each loop is one vertex of the dual surface (Nielson, Dual Marching Cubes, 2004). On an
ambiguous face, where inside and outside corners alternate, segments part the inside corners.

If such a face's two segments lie in one loop on both of its sides, the two vertices would be joined by two edges in one
place. There both cells part the outside corners instead, by taking the loops of the complementary case (Wenger,
Isosurfaces, 2013; FlexiCubes, arXiv 2308.05371, does the same by a table).

Corner c has the offsets (c & 1, c >> 1 & 1, c >> 2 & 1). Edge 4 a + i runs along axis a from the corner that lies i & 1
along the next axis (in the cyclic order x, y, z) and i >> 1 along the one after. Face 2 a + s lies at s along axis a.
"""

from typing import NamedTuple


class Case(NamedTuple):
    """What a case's vertices are made of."""

    loops: tuple[tuple[int, ...], ...]  # edges in order, counter-clockwise seen from outside; loops by their least edge
    problem_face: int  # the ambiguous face whose segments lie in one loop, or -1


def edge_corners(edge: int) -> tuple[int, int]:
    """The corners at an edge's low and high end."""
    axis, place = divmod(edge, 4)
    low = (place & 1) << (axis + 1) % 3 | (place >> 1) << (axis + 2) % 3
    return low, low | 1 << axis


def face_corners(face: int) -> tuple[int, int, int, int]:
    """A face's corners, counter-clockwise seen from outside of the cell."""
    axis, side = divmod(face, 2)
    u, v = 1 << (axis + 1) % 3, 1 << (axis + 2) % 3
    first = side << axis
    return (first, first | u, first | u | v, first | v) if side else (first, first | v, first | u | v, first | u)


_EDGE_OF = {frozenset(edge_corners(edge)): edge for edge in range(12)}


def face_segments(case: int, face: int, part_inside: bool = True) -> list[tuple[int, int]]:
    """Directed segments (from edge, to edge) along which the surface cuts a face; the inside lies to their right.

    Round a face, counter-clockwise, every edge that enters the inside starts a segment. It ends where the same run of
    inside corners is left, or, where outside corners are to be parted, where the run before was left.
    """
    corners = face_corners(face)
    inside = [case >> corner & 1 for corner in corners]
    edges = [_EDGE_OF[frozenset((corners[k], corners[(k + 1) % 4]))] for k in range(4)]
    segments = []
    for k in range(4):
        if not inside[k] and inside[(k + 1) % 4]:
            step = 1 if part_inside else -1
            end = k + step
            while not (inside[end % 4] and not inside[(end + 1) % 4]):
                end += step
            segments.append((edges[k], edges[end % 4]))
    return segments


def is_ambiguous(case: int, face: int) -> bool:
    """Whether inside and outside corners alternate round the face."""
    return len(face_segments(case, face)) == 2


def loops_of(case: int, part_inside: bool = True) -> tuple[tuple[int, ...], ...]:
    """The loops of a case. A crossed edge enters on one of its faces and leaves on the other: the next is unique."""
    following = dict(segment for face in range(6) for segment in face_segments(case, face, part_inside))
    loops = []
    while following:
        edge = min(following)
        loop = []
        while edge in following:
            loop.append(edge)
            edge = following.pop(edge)
        loops.append(tuple(loop))
    return tuple(loops)


def make_case(case: int) -> Case:
    """Loops and problem face of a case. That no case has more than one such face is a test's to show."""
    loops = loops_of(case)
    for face in range(6):
        segments = face_segments(case, face)
        if len(segments) == 2:
            loop_of = {edge: number for number, loop in enumerate(loops) for edge in loop}
            if loop_of[segments[0][0]] == loop_of[segments[1][0]]:
                return Case(loops, face)
    return Case(loops, -1)


CASES = tuple(make_case(case) for case in range(256))
