"""What training a block takes: time and memory, by what the method's record says of runs."""

from dataclasses import dataclass

from splatkit.optimize.methods import DEFAULT_METHOD, find_method

_MB_PER_MEGAPIXEL = 3.0  # of a photograph, cached as bytes
_MB_PER_COARSE_SPLAT = 0.00025  # float32 of degree 3: all of them are read, to find those that are seen


@dataclass(frozen=True)
class BlockEstimate:
    """Of one block, right within a factor of two on the machines that the record was fitted on."""

    cpu_s: float
    memory_mb: float


def estimate_block(steps: int, views: int, megapixels: float, splats: int, coarse_splats: int) -> BlockEstimate:
    """Estimate a block.

    Args:
        steps: of its training.
        views: that it is trained on.
        megapixels: of one of them.
        splats: that it is trained to, margin included.
        coarse_splats: of the whole coarse run.
    """
    cost = find_method(DEFAULT_METHOD).cost
    step_s = cost.step_s + cost.step_s_per_megapixel * megapixels + cost.step_s_per_splat * splats
    memory = cost.base_mb + _MB_PER_MEGAPIXEL * views * megapixels
    memory += cost.mb_per_splat * splats + _MB_PER_COARSE_SPLAT * coarse_splats
    return BlockEstimate(steps * step_s, memory)
