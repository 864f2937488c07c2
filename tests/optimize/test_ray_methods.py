"""The methods `simplex-nerf` and `simplex-sdf` through the host, offline: train, resume, evaluate, render."""

import json
from collections.abc import Callable

import imageio.v3 as iio
import pytest
import torch
from nerfstudio.cameras.rays import Frustums, RaySamples
from nerfstudio.engine.trainer import Trainer, TrainerConfig
from nerfstudio.field_components.field_heads import FieldHeadNames
from nerfstudio.field_components.mlp import MLP
from nerfstudio.field_components.spatial_distortions import SceneContraction
from nerfstudio.fields.density_fields import HashMLPDensityField
from nerfstudio.fields.nerfacto_field import NerfactoField
from nerfstudio.scripts.eval import ComputePSNR
from nerfstudio.scripts.render import DatasetRender
from nerfstudio.scripts.train import main
from nerfstudio.utils.eval_utils import eval_setup
from nerfstudio.utils.math import components_from_spherical_harmonics as sh_basis_of_host

from splatkit.encodings import SimplexHashEncoding
from splatkit.optimize.nerfstudio.checkpoints import list_checkpoints, read_checkpoint
from splatkit.optimize.rays import simplex_fields
from splatkit.optimize.rays.lattice_encodings import fuse_networks, replace_encodings
from splatkit.optimize.rays.method import rays_at_a_time
from splatkit.optimize.rays.simplex_fields import contract_to_unit_cube
from splatkit.optimize.rays.simplex_nerf_config import simplex_nerf_method
from splatkit.optimize.rays.trainer import RayTrainer

METHODS = ["simplex-nerf", "simplex-sdf"]
MakeConfig = Callable[[str, str, int], TrainerConfig]

pytestmark = [
    # The host's loader of images has more workers than a small machine has cores.
    pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning"),
    # Its data parser opens an image to learn its size, and leaves it open.
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning"),
]


class KilledError(Exception):
    """Stands for a power cut."""


def final_state(config: TrainerConfig) -> dict:
    return read_checkpoint(list_checkpoints(config.get_checkpoint_dir())[0])


@pytest.mark.parametrize("method", METHODS)
def test_trains_evaluates_and_renders_offline(make_ray_config: MakeConfig, method: str, tmp_path):
    config = make_ray_config(method, "whole", 6)
    main(config)
    run = config.get_base_dir() / "config.yml"
    ComputePSNR(run, tmp_path / "eval.json").main()
    results = json.loads((tmp_path / "eval.json").read_text())["results"]
    assert results["psnr"] > 10  # 15.8 to 17.1 dB over five seeds
    assert "lpips" not in results
    DatasetRender(load_config=run, output_path=tmp_path / "r", rendered_output_names=["rgb", "depth"]).main()
    (picture, *_) = sorted((tmp_path / "r" / "test" / "rgb").glob("*.jpg"))
    assert iio.imread(picture).shape == (40, 56, 3)


@pytest.mark.parametrize("method", METHODS)
def test_interrupted_and_resumed_run_ends_with_the_same_bits(make_ray_config: MakeConfig, monkeypatch, method: str):
    steps, stop = 18, 14  # the proposals do not learn in every step from the tenth on
    whole = make_ray_config(method, "whole", steps)
    main(whole)
    broken = make_ray_config(method, "broken", steps)
    train_iteration = Trainer.train_iteration

    def killed(self, step):
        if step == stop:
            raise KilledError
        return train_iteration(self, step)

    with monkeypatch.context() as patch:
        patch.setattr(RayTrainer, "train_iteration", killed)
        with pytest.raises(KilledError):
            main(broken)
    assert final_state(broken)["step"] == 12
    resumed = make_ray_config(method, "broken", steps)
    resumed.load_dir = broken.get_checkpoint_dir()
    main(resumed)
    expected, actual = final_state(whole), final_state(resumed)
    assert actual["step"] == expected["step"] == steps - 1
    assert actual["splatkit"]["proposals"] == expected["splatkit"]["proposals"]
    for name, value in expected["pipeline"].items():
        assert torch.equal(actual["pipeline"][name], value), name


def test_loss_of_simplex_nerf_falls_and_all_of_its_encodings_are_ours(make_ray_config: MakeConfig):
    config = make_ray_config("simplex-nerf", "falls", 40)
    main(config)
    _, pipeline, _, _ = eval_setup(config.get_base_dir() / "config.yml")
    kinds = [type(module).__name__ for module in pipeline.model.modules()]
    assert kinds.count("SimplexHashEncoding") == 3  # of the field and two proposals
    assert "HashEncoding" not in kinds
    _, _, metrics = pipeline.get_eval_loss_dict(0)
    assert metrics["psnr"] > 10  # 15.2 to 16.3 dB over five seeds


@pytest.mark.parametrize("method", METHODS)
def test_levels_join_from_coarse_to_fine(make_ray_config: MakeConfig, method: str):
    config = make_ray_config(method, "levels", 1)
    config.pipeline.model.first_levels, config.pipeline.model.levels_share = 2, 0.5
    model = config.pipeline.setup(device="cpu", test_mode="val").model
    encoding = model.field.encoding if method == "simplex-sdf" else model.field.mlp_base.model[0]
    seen = []
    for done in (0, 0.25, 0.5, 1):
        model.set_levels(done)
        seen.append(encoding.max_level)
    assert seen == [2, 3, 4, 4]


def test_eikonal_loss_reaches_the_table_through_the_second_derivative(make_ray_config: MakeConfig):
    model = make_ray_config("simplex-sdf", "eikonal", 1).pipeline.setup(device="cpu", test_mode="val").model
    torch.nn.init.normal_(model.field.glin0.weight)  # its geometric start ignores the encoding
    positions = torch.rand(64, 3, requires_grad=True)
    sdf = model.field.forward_geonetwork(positions)[:, 0]
    (slope,) = torch.autograd.grad(sdf.sum(), positions, create_graph=True)
    (slope.norm(dim=-1) - 1).square().mean().backward()
    assert model.field.encoding.hash_table.grad.abs().sum() > 0


def test_shared_encodings_of_the_host_share_their_replacement():
    field = HashMLPDensityField(
        torch.tensor([[-1.0] * 3, [1.0] * 3]), num_levels=3, log2_hashmap_size=8, implementation="torch"
    )
    assert replace_encodings(field, "simplex") == 1
    assert isinstance(field.encoding, SimplexHashEncoding)
    assert field.mlp_base[0] is field.encoding
    assert (field.encoding.levels.min_res, field.encoding.levels.max_res) == (16, 1024)


def test_contraction_is_the_one_of_the_host():
    positions = torch.randn(500, 3) * torch.logspace(-2, 3, 500)[:, None]
    expected = (SceneContraction(order=float("inf"))(positions) + 2) / 4
    torch.testing.assert_close(contract_to_unit_cube(positions), expected)


@pytest.mark.parametrize("unbounded", [True, False])
def test_fields_say_what_the_fields_of_the_host_say(make_ray_config: MakeConfig, unbounded: bool, monkeypatch):
    """The same parameters through the host's own code; its harmonics alone differ, which take (d + 1) / 2 for d."""
    config = make_ray_config("simplex-nerf", "fields", 1)
    config.pipeline.model.disable_scene_contraction = not unbounded
    model = config.pipeline.setup(device="cpu", test_mode="val").model
    torch.nn.init.normal_(model.field.mlp_base.model[0].hash_table)
    monkeypatch.setattr(simplex_fields, "sh_basis", lambda d, degree: sh_basis_of_host(4, (d + 1) / 2))
    shape = (5, 7)
    directions = torch.nn.functional.normalize(torch.randn(5, 1, 3), dim=-1).expand(*shape, 3)
    starts = torch.rand(*shape, 1)
    frustums = Frustums(torch.randn(5, 1, 3).expand(*shape, 3), directions, starts, starts + 0.1, torch.ones(*shape, 1))
    samples = RaySamples(frustums, camera_indices=torch.randint(2, (5, 1, 1)).expand(*shape, 1))
    mine = model.field(samples)
    density, features = NerfactoField.get_density(model.field, samples)
    host = NerfactoField.get_outputs(model.field, samples, features)
    torch.testing.assert_close(mine[FieldHeadNames.DENSITY], density)
    seen = density[..., 0] > 0  # what lies outside of the box has a color that nobody sees
    assert seen.all() == unbounded
    torch.testing.assert_close(mine[FieldHeadNames.RGB][seen], host[FieldHeadNames.RGB][seen])
    proposal = model.proposal_networks[0]
    expected = HashMLPDensityField.get_density(proposal, samples)[0]
    torch.testing.assert_close(proposal.get_density(samples)[0], expected)


def test_networks_of_the_host_run_fused_with_the_same_parameters():
    network = MLP(in_dim=5, num_layers=3, layer_width=16, out_dim=2, out_activation=torch.nn.Sigmoid())
    wide = MLP(in_dim=5, num_layers=2, layer_width=256, out_dim=2)
    holder = torch.nn.ModuleList([network, wide])
    features, names = torch.randn(30, 5), list(holder.state_dict())
    expected = network(features)
    assert fuse_networks(holder) == 1
    assert holder[1] is wide
    torch.testing.assert_close(holder[0](features), expected)
    assert list(holder.state_dict()) == names


def test_a_gpu_shows_pictures_in_fewer_and_larger_parts():
    assert rays_at_a_time(on_gpu=True) == 32_768
    assert rays_at_a_time(on_gpu=False) == 4096
    config = simplex_nerf_method.config
    assert config.pipeline.model.eval_num_rays_per_chunk == rays_at_a_time(torch.cuda.is_available())
    assert config.viewer.num_rays_per_chunk == config.pipeline.model.eval_num_rays_per_chunk
