"""Another method of splats, put together from the parts of `ges` without its model."""

import torch

from splatkit.geometry.camera import Camera
from splatkit.optimize.ges.rendering import Rasterizer
from splatkit.optimize.ges.schedule import Schedule
from splatkit.optimize.ges.scoring import score_image
from splatkit.optimize.ges.seeding import Seeding
from splatkit.optimize.ges.supervision.depths import Shown
from splatkit.optimize.ges.supervision.losses import LossSettings, SplatLosses
from splatkit.optimize.ges.view import View
from splatkit.splatting.depth_losses import DepthSettings
from splatkit.splatting.frequency_loss import FrequencySettings
from splatkit.splatting.regularization import RegularizationSettings
from splatkit.splatting.sky_shell import SkySettings
from splatkit.splatting.splats import DEFAULT_SHAPE, Splats

KERNEL = DEFAULT_SHAPE.trained.profile.name


def test_a_loop_of_ones_own_learns_a_photograph_with_the_parts_alone():
    view = View(Camera("pinhole", 40, 30, 40.0, 40.0, 20.0, 15.0), torch.eye(4)[None])
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(300, 3, generator=generator) * torch.tensor([4.0, 3.0, 1.0]) + torch.tensor([-2.0, -1.5, 3.5])
    seeds, shell = Seeding(200, 0.5, 1, 0, SkySettings(), 0).splats(points, torch.full_like(points, 128), 4.0, {})
    assert 150 < len(seeds) <= 200
    assert shell is None  # no photograph shows sky
    photograph = torch.linspace(0, 1, 40)[None, :, None].expand(30, 40, 3)

    raw = {name: value.requires_grad_() for name, value in seeds.to_raw(DEFAULT_SHAPE).items()}
    adam = torch.optim.Adam([value for value in raw.values() if value.numel()], lr=0.03)
    settings = LossSettings(
        0.2, FrequencySettings(), RegularizationSettings(flatness_weight=0.1), DepthSettings(), None
    )
    losses, rasterizer, schedule = (
        SplatLosses(settings, 4.0, 0.01),
        Rasterizer("classic", KERNEL),
        Schedule(1, 10, 0, 10),
    )
    black, first = torch.zeros(3), dict[str, float]()
    for schedule.step in range(60):
        schedule.total_steps = 60
        splats = Splats.from_raw(raw, DEFAULT_SHAPE)
        rendering = rasterizer.render_training(splats, view, schedule.active_sh_degree(), black, None, False)
        terms = losses.photometric(rendering.colors[0], photograph, None) | losses.shapes(splats, None, schedule.step)
        terms |= losses.depths(Shown(splats, view, rendering), {}, None, schedule.progress)
        first = first or {name: term.item() for name, term in terms.items()}
        adam.zero_grad()
        torch.stack(list(terms.values())).sum().backward()
        adam.step()
    assert terms.keys() == {"main_loss", "flatness"}  # nothing was measured
    assert terms["main_loss"].item() < 0.1 * first["main_loss"]  # 0.010 to 0.021 for six seeds

    with torch.no_grad():
        outputs = rasterizer.render_outputs(Splats.from_raw(raw, DEFAULT_SHAPE), view, 1, black)
    assert score_image(outputs, photograph, None, with_corrected=False)["psnr"] > 35  # 43 to 46
