"""The module: names of tiny-cuda-nn and nerfstudio, any batch shape, checkpoints, coarse to fine, eikonal losses."""

import io

import pytest
import torch

from splatkit.encodings import SimplexHashEncoding
from splatkit.encodings.levels import EncodingLevels
from tests.encoding_cases import positions_off_faces


@pytest.fixture(autouse=True)
def _same_points_in_every_run():
    torch.manual_seed(0)


SMALL = {"num_levels": 4, "min_res": 4, "max_res": 32, "log2_hashmap_size": 10}


def small_encoding(**options: object) -> SimplexHashEncoding:
    return SimplexHashEncoding(**{**SMALL, "generator": torch.Generator().manual_seed(0), **options})  # type: ignore[arg-type]  # of any type


def test_answers_to_the_names_of_tiny_cuda_nn_and_nerfstudio():
    encoding = small_encoding(features_per_level=4)
    assert (encoding.n_input_dims, encoding.n_output_dims, encoding.get_out_dim()) == (3, 16, 16)
    assert encoding.params.shape == (encoding.levels.entries * 4,)
    assert encoding.params.data_ptr() == encoding.hash_table.data_ptr()
    assert "simplex, 3 dimensions, 4 levels" in repr(encoding)


@pytest.mark.parametrize("shape", [(3,), (0, 3), (5, 3), (2, 7, 3), (2, 0, 3), (2, 3, 4, 3)])
def test_any_batch_shape(shape: tuple[int, ...]):
    encoding = small_encoding()
    assert encoding(torch.rand(shape)).shape == (*shape[:-1], 8)


def test_same_features_whatever_the_layout_of_positions():
    encoding = small_encoding()
    positions = torch.rand(60, 3)
    strided = positions.t().contiguous().t()
    assert torch.equal(encoding(strided), encoding(positions))
    assert torch.equal(encoding(positions[::2]), encoding(positions)[::2])


def test_reads_configurations_of_tiny_cuda_nn():
    config = {
        "otype": "HashGrid",
        "n_levels": 8,
        "n_features_per_level": 4,
        "log2_hashmap_size": 15,
        "base_resolution": 16,
        "per_level_scale": 1.5,
        "interpolation": "Smoothstep",
    }
    encoding = SimplexHashEncoding.from_tcnn_config(3, config)
    assert encoding.levels == EncodingLevels("grid", 3, 8, 16, 16 * 1.5**7, 15)
    assert encoding.interpolation == "smooth"
    assert encoding.n_output_dims == 32
    simplex = SimplexHashEncoding.from_tcnn_config(3, {**config, "otype": "SimplexHashGrid"})
    assert simplex.levels.lattice == "simplex"
    with pytest.raises(ValueError, match="no counterpart of fixed_point_pos"):
        SimplexHashEncoding.from_tcnn_config(3, {**config, "fixed_point_pos": True})
    with pytest.raises(ValueError, match="expected a HashGrid"):
        SimplexHashEncoding.from_tcnn_config(3, {**config, "otype": "Frequency"})


def test_checkpoint_moves_between_precisions_and_back():
    encoding = small_encoding()
    file = io.BytesIO()
    torch.save(encoding.state_dict(), file)
    file.seek(0)
    other = small_encoding(dtype=torch.float64)
    other.load_state_dict(torch.load(file, weights_only=True))
    positions = torch.rand(50, 3)
    assert torch.allclose(other(positions).float(), encoding(positions), atol=1e-9)


def test_levels_beyond_max_level_are_masked():
    encoding = small_encoding()
    positions = torch.rand(20, 3)
    full = encoding(positions)
    encoding.max_level = 2
    coarse = encoding(positions)
    assert torch.equal(coarse[:, :4], full[:, :4])
    assert not coarse[:, 4:].any()


def test_stochastic_interpolation_draws_in_training_and_is_linear_otherwise():
    encoding = small_encoding(interpolation="stochastic")
    positions = torch.rand(40, 3)
    assert not torch.equal(encoding(positions), encoding(positions))
    encoding.eval()
    linear = small_encoding()
    assert torch.equal(encoding(positions), linear(positions))


def test_forward_mode_is_the_directional_derivative():
    encoding = small_encoding(dtype=torch.float64, hash_init_scale=1.0)
    positions = positions_off_faces(encoding.levels, 30, seed=0)  # a difference across a face is no derivative
    along = torch.rand(30, 3, dtype=torch.float64)
    step = 1e-6
    finite = (encoding(positions + step * along) - encoding(positions - step * along)) / (2 * step)
    assert torch.allclose(encoding.jvp(positions, along), finite, atol=1e-6)


def test_eikonal_loss_trains_the_table():
    """A field with |gradient| = 1 almost everywhere comes out of a loss on gradients alone."""
    torch.manual_seed(0)
    encoding = small_encoding(hash_init_scale=0.1, num_levels=2, max_res=8)
    head = torch.nn.Linear(encoding.n_output_dims, 1)
    optimizer = torch.optim.Adam([*encoding.parameters(), *head.parameters()], 0.02)
    losses = []
    for _ in range(120):
        positions = torch.rand(512, 3, requires_grad=True)
        field = head(encoding(positions))
        (slope,) = torch.autograd.grad(field.sum(), positions, create_graph=True)
        loss = (slope.norm(dim=-1) - 1).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]  # 0.01 to 0.05 over twelve seeds


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"in_dim": 1}, "dims: expected 2 to 8, got 1"),
        ({"num_levels": 33}, "num_levels: expected 1 to 32"),
        ({"log2_hashmap_size": 40}, "log2_hashmap_size: expected 3 to 30"),
        ({"features_per_level": 3}, "features_per_level: expected 1, 2, 4 or 8, got 3"),
        ({"min_res": 64, "max_res": 16}, "min_res, max_res"),
        ({"lattice": "cubes"}, "lattice: expected simplex, kuhn or grid"),
        ({"interpolation": "cubic"}, "interpolation: expected one of"),
        ({"dtype": torch.int32}, "dtype: expected"),
    ],
)
def test_bad_settings_are_refused(options: dict[str, object], message: str):
    with pytest.raises(ValueError, match=message):
        small_encoding(**options)


def test_bad_positions_are_refused():
    encoding = small_encoding()
    with pytest.raises(ValueError, match=r"positions: expected shape \[..., 3\], got \[5, 2\]"):
        encoding(torch.rand(5, 2))
    with pytest.raises(TypeError, match="positions: expected floating point"):
        encoding(torch.zeros(5, 3, dtype=torch.int64))
    with pytest.raises(ValueError, match="tangents: expected shape"):
        encoding.jvp(torch.rand(5, 3), torch.rand(4, 3))
