"""Our encodings and small networks in the place of nerfstudio's, wherever a model of the host has them.

The host's run as tiny-cuda-nn, where that is installed and a GPU is there, or in plain torch: on a CPU the encoding
more than thirty times slower than ours, networks up to four times. Names and sizes stay, so that the configuration of
a method means what it meant.
"""

from collections.abc import Iterable

from nerfstudio.field_components.encodings import HashEncoding
from nerfstudio.field_components.mlp import MLP
from torch import Tensor, nn

from splatkit.encodings import SimplexHashEncoding
from splatkit.encodings.hash_encoding import Lattice
from splatkit.ops.tiny_mlp import MAX_LAYERS, MAX_WIDTH, tiny_mlp


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


class FusedMlp(nn.Module):
    """A perceptron of the host with its layers run by `ops.tiny_mlp`; parameters keep their names."""

    def __init__(self, layers: Iterable[nn.Linear], out_activation: nn.Module | None) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.out_activation = out_activation

    def forward(self, features: Tensor) -> Tensor:
        """[..., in] -> [..., out]; first derivatives alone."""
        outputs = tiny_mlp(features, [*self.layers])
        return outputs if self.out_activation is None else self.out_activation(outputs)


def fuse_networks(model: nn.Module) -> int:
    """Put a `FusedMlp` in the place of every MLP that fits it inside the model; returns how many there were."""
    count = 0
    for parent in list(model.modules()):
        for name, child in list(parent._modules.items()):
            if isinstance(child, MLP) and _fits(child):
                setattr(parent, name, FusedMlp(child.layers, child.out_activation))
                count += 1
    return count


def _fits(network: MLP) -> bool:
    if network.tcnn_encoding is not None or network._skip_connections or len(network.layers) > MAX_LAYERS:
        return False
    widest = max(network.in_dim, network.layer_width, network.out_dim)
    return isinstance(network.activation, nn.ReLU) and widest <= MAX_WIDTH
