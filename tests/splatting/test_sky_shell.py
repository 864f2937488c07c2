"""The far shell of splats: beyond everything, opaque, known by its distance, and left alone by density control."""

import pytest
import torch
from torch.nn import Parameter
from torch.optim import Adam

from splatkit.splatting.densification import Densification, DensificationSettings
from splatkit.splatting.mcmc import McmcDensification, McmcSettings
from splatkit.splatting.sky_shell import SkySettings, shell_around, shell_splats, together
from splatkit.splatting.splats import Splats

DEFAULT = SkySettings()
CENTER = torch.tensor([3.0, -2.0, 1.0])


def scene(n=2000):
    """Points around the center, at most 5 units away, and one stray."""
    generator = torch.Generator().manual_seed(0)
    points = torch.nn.functional.normalize(torch.randn(n, 3, generator=generator), dim=1)
    points = CENTER + 5 * points * torch.rand(n, 1, generator=generator)
    return torch.cat([points, CENTER + torch.tensor([[400.0, 0, 0]])])


def upward(n=400):
    generator = torch.Generator().manual_seed(1)
    directions = torch.randn(n, 3, generator=generator)
    directions[:, 2] = directions[:, 2].abs() + 1
    return torch.nn.functional.normalize(directions, dim=1)


def make_shell(settings=DEFAULT):
    shell = shell_around(CENTER, scene(), 1.0, settings)
    directions = upward()
    colors = torch.full_like(directions, 0.7)
    return shell, shell_splats(shell, directions, colors, 1, torch.Generator().manual_seed(0))


def test_shell_is_beyond_the_scene_whatever_strays():
    shell, splats = make_shell(settings=SkySettings(distance=8.0))
    assert 30 < shell.radius <= 40
    torch.testing.assert_close((splats.means - CENTER).norm(dim=1), torch.full((400,), shell.radius))
    assert shell.holds(splats.means).all()
    assert not shell.holds(scene()[:-1]).any()
    assert shell_around(CENTER, scene(), 100.0, SkySettings()).radius == 5000


def test_its_disks_face_the_cameras_and_are_opaque():
    _, splats = make_shell()
    assert (splats.opacities > 0.9).all()
    assert (splats.scales.argmin(1) == 2).all()
    assert (splats.scales[:, 2] < 0.2 * splats.scales[:, 0]).all()


def training(splats):
    parameters = {name: Parameter(value.clone()) for name, value in splats.to_raw().items()}
    return parameters, {name: Adam([p]) for name, p in parameters.items()}


def test_large_splats_are_pruned_but_not_those_of_the_shell():
    shell, sky = make_shell()
    near = Splats(**{name: value.clone() for name, value in vars(sky).items()})
    near = Splats(**{**vars(near), "means": CENTER + upward(), "scales": torch.full((400, 3), 1.0)})
    parameters, optimizers = training(together([near, sky]))
    settings = DensificationSettings(warmup_steps=1, refine_every=1, reset_every=1, prune_size=0.5)
    control = Densification(settings, extent=1.0, seed=0, shell=shell)
    control.gather(torch.zeros(800, 2), torch.ones(800, 2), 64, 48)
    report = control.refine(2, 1000, parameters, optimizers)
    assert report is not None
    assert report.pruned == 400
    assert shell.holds(parameters["means"]).all()


def test_sampling_does_not_make_the_shell_small_or_faint():
    shell, sky = make_shell()
    near = Splats(**{**vars(sky), "means": CENTER + upward()})
    both = together([near, sky])
    values = {name: value.clone().requires_grad_() for name, value in vars(both).items()}
    control = McmcDensification(McmcSettings(), extent=1.0, seed=0, shell=shell)
    control.regularization(Splats(**values)).backward()
    for name in ("scales", "opacities"):
        gradient = values[name].grad
        assert gradient is not None
        assert (gradient[400:] == 0).all()
        assert (gradient[:400] > 0).all()


def test_sets_are_joined_in_order():
    _, sky = make_shell()
    joined = together([sky, sky.select(torch.arange(3))])
    assert len(joined) == 403
    assert torch.equal(joined.means[400:], sky.means[:3])


@pytest.mark.parametrize("distance", [3.0, 30.0])
def test_distance_is_in_reaches_of_the_points(distance):
    ratio = shell_around(CENTER, scene(), 0.0, SkySettings(distance=distance)).radius
    assert ratio == pytest.approx(distance * 5, rel=0.02)
