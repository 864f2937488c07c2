"""How to spend what a simplex saves: more levels at smaller growth, in smaller tables.

A simplex has d + 1 vertices where a cube has 2^d. At equal levels it fetches less and fits distance fields a little
worse. With the fetches that it saves spent on levels, and the tables made smaller by as much, it makes up for most of
that (`scripts/study.py encodings` measures it; the README says by how much, and what else was tried).
"""

import math


def spend_on_levels(dims: int, num_levels: int, log2_hashmap_size: int) -> tuple[int, int]:
    """Levels and table size of a simplex encoding for at most the fetches and about the parameters of a cubic one.

    Args:
        dims: of positions.
        num_levels: of the cubic encoding.
        log2_hashmap_size: of the cubic encoding.

    Returns:
        num_levels and log2_hashmap_size of the simplex encoding; min_res and max_res stay. In two dimensions the
        saving is too small for a table of half the size: the same comes back.
    """
    ratio = 2**dims / (dims + 1)
    halvings = math.floor(math.log2(ratio))
    if halvings == 0:
        return num_levels, log2_hashmap_size
    # Coarse levels are dense whatever the table: a little less than the factor keeps the parameters level.
    return min(math.floor(0.9 * 2**halvings * num_levels), 32), log2_hashmap_size - halvings
