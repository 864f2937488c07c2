"""What other programs read of a model of the method ges."""

from dataclasses import replace

import torch

from splatkit.optimize.ges.nearest_gaussians import NearestGaussians
from splatkit.optimize.ges.rendering import Rasterizer
from splatkit.splatting.appearance import seen_colors
from splatkit.splatting.spherical_beta import seed_lobes
from splatkit.splatting.splats import Splats


class Model(NearestGaussians):
    def __init__(self, splats, kernel="generalized_exponential"):
        self._splats, self.rasterizer = splats, Rasterizer("classic", kernel)

    def splats(self):
        return self._splats


def splats_with(betas=2.0, lobes=0, terms=0):
    n = 50
    return Splats(
        means=torch.randn(n, 3),
        quats=torch.randn(n, 4),
        scales=torch.rand(n, 3) + 0.1,
        opacities=0.2 + 0.6 * torch.rand(n),
        sh0=torch.randn(n, 3),
        shN=torch.randn(n, terms, 3),
        betas=torch.full((n,), betas),
        lobes=seed_lobes(n, lobes, torch.Generator().manual_seed(0)),
    )


def test_gaussians_are_what_they_are():
    splats = splats_with(terms=8)
    model = Model(splats)
    torch.testing.assert_close(model.scales.exp(), splats.scales)
    torch.testing.assert_close(torch.sigmoid(model.opacities[:, 0]), splats.opacities)
    assert torch.equal(model.shs_0, splats.sh0)
    assert torch.equal(model.shs_rest, splats.shN)


def test_colors_without_harmonics_are_no_logits():
    splats = splats_with()
    seen = seen_colors(splats, torch.eye(4), 0)
    torch.testing.assert_close(Model(splats).colors.clamp_min(0), seen)
    assert torch.equal(Model(splats).shs_0, splats.sh0)


def test_sharper_splats_are_smaller_gaussians_and_spikes_larger_fainter_ones():
    for betas, smaller in ((4.0, True), (1.2, False)):
        splats = splats_with(betas)
        model = Model(splats)
        assert bool((model.scales.exp() < splats.scales).all()) == smaller
        assert bool((torch.sigmoid(model.opacities[:, 0]) < splats.opacities - 0.05).all()) != smaller


def test_compact_splats_are_gaussians_of_their_own_width():
    """A viewer that takes scales for standard deviations must not draw disks of the kernel's whole radius."""
    splats = splats_with(betas=4.0)
    model = Model(splats, "compact_beta")
    torch.testing.assert_close(model.scales.exp(), 0.32286 * splats.scales, rtol=1e-4, atol=0)
    torch.testing.assert_close(torch.sigmoid(model.opacities[:, 0]), splats.opacities)


def test_lobes_are_seen_as_harmonics():
    splats = splats_with(lobes=2)
    splats.lobes[..., :3] = 0.2 * torch.randn(50, 2, 3)
    model = Model(splats)
    plain = replace(splats, lobes=splats.lobes[:, :0])
    as_harmonics = replace(plain, sh0=model.shs_0, shN=model.shs_rest)
    wanted, seen, without = (seen_colors(s, torch.eye(4), 3) for s in (splats, as_harmonics, plain))
    assert (wanted - seen).abs().mean() < 0.5 * (wanted - without).abs().mean()
