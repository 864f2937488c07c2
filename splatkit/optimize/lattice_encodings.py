"""Our encodings in the place of nerfstudio's, wherever a model of the host has one.

The host's HashEncoding runs as tiny-cuda-nn, where that is installed and a GPU is there, or as plain torch, more than
thirty times slower than ours on a CPU. Names and sizes stay, so that the configuration of a method means what it meant.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torchmetrics.image.lpip
from nerfstudio.field_components.encodings import HashEncoding
from torch import nn

from splatkit.encodings import SimplexHashEncoding
from splatkit.encodings.hash_encoding import Lattice


def replace_encodings(model: nn.Module, lattice: Lattice) -> int:
    """Put a `SimplexHashEncoding` in the place of every HashEncoding inside the model; returns how many there were.

    Modules that share one share its replacement.
    """
    replaced: dict[HashEncoding, SimplexHashEncoding] = {}
    for parent in list(model.modules()):
        for name, child in list(parent._modules.items()):
            if isinstance(child, HashEncoding):
                if child not in replaced:
                    replaced[child] = _counterpart(child, lattice)
                setattr(parent, name, replaced[child])
    return len(replaced)


def _counterpart(encoding: HashEncoding, lattice: Lattice) -> SimplexHashEncoding:
    return SimplexHashEncoding(
        in_dim=3,
        num_levels=encoding.num_levels,
        min_res=encoding.min_res,
        max_res=round(encoding.min_res * float(encoding.growth_factor) ** (encoding.num_levels - 1)),
        log2_hashmap_size=encoding.log2_hashmap_size,
        features_per_level=encoding.features_per_level,
        hash_init_scale=encoding.hash_init_scale,
        lattice=lattice,
    )


@contextmanager
def without_lpips() -> Iterator[None]:
    """Inside, the host's models are built without LPIPS.

    They build it in `populate_modules`, which downloads weights; `optimize.metrics` measures it where they are there.
    """
    with patch.object(torchmetrics.image.lpip, "LearnedPerceptualImagePatchSimilarity", _Nothing):
        yield


class _Nothing(nn.Module):
    def __init__(self, **_: Any) -> None:
        super().__init__()
