"""`rasterization` under gsplat's names: the images of `render_splats`, gsplat's dictionary, and a training loop."""

import inspect
from enum import Enum
from typing import Any

import pytest
import torch
from torch import Tensor

from splatkit.splatting.rasterization import RENDER_MODES, rasterization
from splatkit.splatting.rendering import Rendering, render_splats
from tests.splat_scenes import SplatScene, make_splat_scene

SPLATS, CAMERAS = 120, 2
REQUIRED = inspect.Parameter.empty
# gsplat 1.5.3: names in their order and defaults. What 1.4.0, which nerfstudio 1.1.5 pins, lacks is marked.
GSPLAT_1_5_3 = {
    "means": REQUIRED,
    "quats": REQUIRED,
    "scales": REQUIRED,
    "opacities": REQUIRED,
    "colors": REQUIRED,
    "viewmats": REQUIRED,
    "Ks": REQUIRED,
    "width": REQUIRED,
    "height": REQUIRED,
    "near_plane": 0.01,
    "far_plane": 1e10,
    "radius_clip": 0.0,
    "eps2d": 0.3,
    "sh_degree": None,
    "packed": True,
    "tile_size": 16,
    "backgrounds": None,
    "render_mode": "RGB",
    "sparse_grad": False,
    "absgrad": False,
    "rasterize_mode": "classic",
    "channel_chunk": 32,
    "distributed": False,
    "camera_model": "pinhole",
    "segmented": False,  # not in 1.4.0
    "covars": None,
    "with_ut": False,  # not in 1.4.0, like all that follow
    "with_eval3d": False,
    "radial_coeffs": None,
    "tangential_coeffs": None,
    "thin_prism_coeffs": None,
    "ftheta_coeffs": None,
    "rolling_shutter": "GLOBAL",  # of the enumeration RollingShutterType; ours is None, which means that
    "viewmats_rs": None,
}
NEWER_THAN_1_4_0 = ["segmented", *list(GSPLAT_1_5_3)[list(GSPLAT_1_5_3).index("with_ut") :]]
OURS = {"betas": None, "kernel": "generalized_exponential"}


class RollingShutterType(Enum):
    """As gsplat has one."""

    ROLLING_TOP_TO_BOTTOM = 0
    GLOBAL = 4


def scene_and_colors(sh_degree: int | None = None, channels: int = 3) -> tuple[SplatScene, Tensor]:
    """A scene of Gaussians before two cameras, with features or spherical harmonics; all of them leaves."""
    scene = make_splat_scene(SPLATS, cameras=CAMERAS)
    scene = scene._replace(betas=torch.full_like(scene.betas, 2.0))
    shape = (SPLATS, channels) if sh_degree is None else (SPLATS, (sh_degree + 1) ** 2, 3)
    colors = torch.rand(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return scene._replace(**{name: getattr(scene, name).clone().requires_grad_() for name in scene._fields[:7]}), colors


def ours(scene: SplatScene, colors: Tensor, **options: Any) -> Rendering:
    limits: dict[str, Any] = {"near": scene.near, "far": scene.far, "eps2d": scene.eps2d}
    return render_splats(
        *scene[:5], colors, scene.viewmats, scene.Ks, scene.width, scene.height, **{**limits, **options}
    )


def theirs(scene: SplatScene, colors: Tensor, **options: Any) -> tuple[Tensor, Tensor, dict[str, Any]]:
    limits: dict[str, Any] = {"near_plane": scene.near, "far_plane": scene.far, "eps2d": scene.eps2d}
    return rasterization(
        *scene[:4], colors, scene.viewmats, scene.Ks, scene.width, scene.height, **{**limits, **options}
    )


def as_mode(rendering: Rendering, mode: str) -> Tensor:
    depths = rendering.depths if mode.endswith("ED") else rendering.depths * rendering.alphas
    return {"RGB": rendering.colors, "D": depths, "ED": depths}.get(mode, torch.cat([rendering.colors, depths], -1))


def test_names_order_and_defaults_are_those_of_gsplat():
    parameters = inspect.signature(rasterization).parameters
    assert list(parameters) == [*GSPLAT_1_5_3, *OURS]
    expected = {**GSPLAT_1_5_3, **OURS, "rolling_shutter": None}
    assert {name: parameter.default for name, parameter in parameters.items()} == expected
    assert [name for name, p in parameters.items() if p.kind is inspect.Parameter.KEYWORD_ONLY] == list(OURS)


def test_an_installed_gsplat_has_these_names_in_this_order():
    gsplat = pytest.importorskip("gsplat")
    present = inspect.signature(gsplat.rasterization).parameters
    lacking = {"1.4.0": NEWER_THAN_1_4_0, "1.5.3": []}.get(gsplat.__version__)
    if lacking is None:
        pytest.skip(f"this table knows nothing of gsplat {gsplat.__version__}")
    assert list(present) == [name for name in GSPLAT_1_5_3 if name not in lacking]
    defaults = {name: getattr(parameter.default, "name", parameter.default) for name, parameter in present.items()}
    assert defaults == {name: default for name, default in GSPLAT_1_5_3.items() if name not in lacking}


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("rasterize_mode", ["classic", "antialiased"])
@pytest.mark.parametrize("mode", RENDER_MODES)
def test_images_and_gradients_are_those_of_our_own_function(mode: str, rasterize_mode: str, packed: bool):
    scene, colors = scene_and_colors()
    colors.requires_grad_()
    leaves = [*scene[:4], colors, scene.viewmats, scene.Ks]
    backgrounds = torch.rand(CAMERAS, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    options: dict[str, Any] = {"backgrounds": backgrounds, "rasterize_mode": rasterize_mode}
    rendering = ours(scene, colors, **options)
    image, alphas, _ = theirs(scene, colors, render_mode=mode, packed=packed, **options)
    expected = as_mode(rendering, mode)
    weights = torch.randn(expected.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(image, expected, rtol=1e-12, atol=1e-12)
    assert torch.equal(alphas, rendering.alphas)
    v_expected = torch.autograd.grad((expected * weights).sum(), leaves, materialize_grads=True)
    v_actual = torch.autograd.grad((image * weights).sum(), leaves, materialize_grads=True)
    for actual, wanted in zip(v_actual, v_expected, strict=True):
        torch.testing.assert_close(actual, wanted, rtol=1e-9, atol=1e-9 * wanted.abs().max().item())


def test_exponents_and_kernels_are_ours_by_keyword():
    scene = make_splat_scene(SPLATS)
    colors = torch.ones(SPLATS, 1, dtype=torch.float64)
    for kernel in ("generalized_exponential", "compact_beta"):
        image, _, _ = theirs(scene, colors, betas=scene.betas, kernel=kernel)
        assert torch.equal(image, ours(scene, colors, kernel=kernel).colors)
    with pytest.raises(ValueError, match="betas: the kernel compact_beta"):
        theirs(scene, colors, kernel="compact_beta")


@pytest.mark.parametrize("packed", [True, False])
def test_spherical_harmonics_and_colors_of_each_camera(packed: bool):
    scene, coefficients = scene_and_colors(sh_degree=2)
    image, _, _ = theirs(scene, coefficients, sh_degree=1, packed=packed)
    assert torch.equal(image, ours(scene, coefficients, sh_degree=1).colors)
    own = torch.stack([coefficients, 2 * coefficients])
    for colors, degree in ((own, 2), (own[:, :, 0], None)):
        image, _, _ = theirs(scene, colors, sh_degree=degree, packed=packed)
        for camera in range(CAMERAS):
            assert torch.equal(image[camera], ours(scene, colors[camera], sh_degree=degree).colors[camera])


def test_any_number_of_channels():
    scene, colors = scene_and_colors(channels=11)
    image, _, _ = theirs(scene, colors, render_mode="RGB+D")
    assert image.shape == (CAMERAS, scene.height, scene.width, 12)
    torch.testing.assert_close(image, as_mode(ours(scene, colors), "RGB+D"), rtol=1e-12, atol=1e-12)


def test_cameras_under_their_names():
    scene, colors = scene_and_colors()
    k = torch.tensor([[0.05, -0.01, 0.002, 0.001], [0.0, 0.0, 0.0, 0.0]], dtype=torch.float64)
    image, _, _ = theirs(scene, colors, camera_model="fisheye", radial_coeffs=k)
    assert torch.equal(image, ours(scene, colors, camera_model="fisheye", distortions=k).colors)
    equidistant, _, _ = theirs(scene, colors, camera_model="fisheye")
    assert torch.equal(equidistant[1], image[1])
    assert not torch.equal(equidistant[0], image[0])
    flat, _, _ = theirs(scene, colors, camera_model="ortho")
    assert torch.equal(flat, ours(scene, colors, camera_model="orthographic").colors)


def test_the_dictionary_holds_what_densification_reads():
    scene, colors = scene_and_colors()
    _, _, meta = theirs(scene, colors, packed=False)
    _, _, rows = theirs(scene, colors)  # packed, gsplat's default
    rendering = ours(scene, colors)
    visible = (rendering.extents > 0).all(-1)
    assert 0 < visible.sum() < visible.numel()
    assert torch.equal(meta["radii"], rendering.extents.ceil().int())
    assert torch.equal(meta["means2d"], rendering.means2d)
    assert meta["opacities"].shape == meta["depths"].shape == (CAMERAS, SPLATS)
    assert meta["conics"].shape == (CAMERAS, SPLATS, 3)
    assert [meta[name] for name in ("batch_ids", "camera_ids", "gaussian_ids")] == [None, None, None]
    assert torch.equal(torch.stack([rows["camera_ids"], rows["gaussian_ids"]], 1), visible.nonzero())
    assert not rows["batch_ids"].any()
    for name in ("radii", "means2d", "depths", "conics", "opacities"):
        assert torch.equal(rows[name], meta[name][visible]), name
    for one in (meta, rows):
        sizes = ("width", "height", "tile_size", "tile_width", "tile_height", "n_batches", "n_cameras")
        assert [one[name] for name in sizes] == [scene.width, scene.height, 16, 3, 3, 1, CAMERAS]


@pytest.mark.parametrize("rasterize_mode", ["classic", "antialiased"])
def test_means2d_keeps_its_gradients_in_both_layouts(rasterize_mode: str):
    scene, colors = scene_and_colors()
    probe = torch.zeros(CAMERAS, SPLATS, 2, dtype=torch.float64, requires_grad=True)
    rendering = ours(scene, colors, absgrad_probe=probe, rasterize_mode=rasterize_mode)
    rendering.means2d.retain_grad()
    rendering.colors.square().sum().backward()
    assert probe.grad is not None
    assert rendering.means2d.grad is not None
    visible = (rendering.extents > 0).all(-1)
    for packed in (False, True):
        image, _, meta = theirs(scene, colors, packed=packed, absgrad=True, rasterize_mode=rasterize_mode)
        means2d = meta["means2d"]
        means2d.retain_grad()  # as gsplat's strategies do; means2d keeps its gradient without it too
        image.square().sum().backward()
        for actual, expected in ((means2d.grad, rendering.means2d.grad), (means2d.absgrad, probe.grad)):
            expected = expected[visible] if packed else expected
            torch.testing.assert_close(actual, expected, rtol=1e-9, atol=1e-9 * expected.abs().max().item())
    _, _, meta = theirs(scene, colors)
    assert not hasattr(meta["means2d"], "absgrad")
    with torch.no_grad():
        assert not theirs(scene, colors, absgrad=True)[2]["means2d"].requires_grad


def test_radius_clip_drops_splats_that_are_small_both_ways():
    scene, colors = scene_and_colors()
    _, _, every = theirs(scene, colors, packed=False)
    image, _, meta = theirs(scene, colors, packed=False, radius_clip=4.0)
    kept = (every["radii"] > 4).any(-1)
    assert 0 < kept.sum() < (every["radii"] > 0).all(-1).sum()
    assert torch.equal(meta["radii"], every["radii"] * kept[..., None])
    for camera in range(CAMERAS):
        alone = scene._replace(opacities=torch.where(kept[camera], scene.opacities, 0.0))
        torch.testing.assert_close(image[camera], ours(alone, colors).colors[camera])
    assert len(theirs(scene, colors, radius_clip=4.0)[2]["radii"]) == kept.sum()


def test_hints_change_nothing():
    scene, colors = scene_and_colors()
    image, _, _ = theirs(scene, colors)
    hinted, _, _ = theirs(scene, colors, channel_chunk=2, segmented=True, rolling_shutter=RollingShutterType.GLOBAL)
    assert torch.equal(image, hinted)


UNSUPPORTED = {
    "sparse_grad": True,
    "distributed": True,
    "with_ut": True,
    "with_eval3d": True,
    "covars": torch.eye(3).expand(SPLATS, 3, 3),
    "tangential_coeffs": torch.zeros(CAMERAS, 2),
    "thin_prism_coeffs": torch.zeros(CAMERAS, 4),
    "ftheta_coeffs": object(),
    "rolling_shutter": RollingShutterType.ROLLING_TOP_TO_BOTTOM,
    "viewmats_rs": torch.eye(4).expand(CAMERAS, 4, 4),
    "tile_size": 8,
    "sh_degree": 4,
    "camera_model": "ftheta",
    "radial_coeffs": torch.zeros(CAMERAS, 6),
    "means": torch.zeros(2, SPLATS, 3),
}
WRONG = {
    "render_mode": "normals",
    "rasterize_mode": "sharp",
    "camera_model": "panorama",
    "kernel": "box",
    "quats": torch.zeros(SPLATS, 3),
    "scales": torch.zeros(SPLATS),
    "opacities": torch.zeros(SPLATS, 1),
    "colors": torch.zeros(SPLATS - 1, 3),
    "viewmats": torch.zeros(4, 4),
    "Ks": torch.zeros(3, 3),
    "backgrounds": torch.zeros(3),
    "betas": torch.zeros(SPLATS, 1),
}


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        *((name, value, NotImplementedError) for name, value in UNSUPPORTED.items()),
        *((name, value, ValueError) for name, value in WRONG.items()),
    ],
)
def test_what_is_not_supported_is_refused_by_name(name: str, value: object, error: type[Exception]):
    scene, colors = scene_and_colors()
    given: dict[str, Any] = {**scene._asdict(), "colors": colors, name: value}
    for ours_alone in ("near", "far"):
        given.pop(ours_alone)
    with pytest.raises(error, match=f"^{name}: "):
        rasterization(**given)


def test_too_many_channels_for_absolute_gradients_and_wrong_lenses_are_refused():
    scene, colors = scene_and_colors(channels=5)
    theirs(scene, colors, absgrad=True)
    with pytest.raises(ValueError, match=r"^absgrad: works with at most 5 channels, depth included, got 6"):
        theirs(scene, colors, absgrad=True, render_mode="RGB+D")
    with pytest.raises(ValueError, match=r"^radial_coeffs: expected shape \[2, 4\], got \[2, 6\]"):
        theirs(scene, colors, camera_model="fisheye", radial_coeffs=torch.zeros(2, 6))
    with pytest.raises(ValueError, match=r"^colors: expected shape \[120, K >= 4, 3\]"):
        theirs(scene, torch.zeros(SPLATS, 3, 3), sh_degree=1)


def gsplat_training(seed: int, packed: bool, absgrad: bool) -> tuple[list[float], list[int]]:
    """What a user of gsplat might write: losses, and numbers of splats. Only the import above names splatkit."""
    torch.manual_seed(seed)
    image = torch.rand(1, 4, 6, 3).repeat_interleave(8, 1).repeat_interleave(8, 2)  # [1, 32, 48, 3]
    viewmats, Ks = torch.eye(4)[None], torch.tensor([[[40.0, 0, 24], [0, 40, 16], [0, 0, 1]]])
    means = torch.rand(60, 3) * torch.tensor([2.0, 1.6, 1.0]) + torch.tensor([-1.0, -0.8, 1.5])
    splats = {"means": means, "quats": torch.randn(60, 4), "scales": torch.full((60, 3), -2.0)}
    splats |= {"opacities": torch.zeros(60), "colors": torch.zeros(60, 3)}
    losses, counts = [], []
    for step in range(60):
        if step % 20 == 0:
            splats = {name: value.detach().requires_grad_() for name, value in splats.items()}
            optimizer = torch.optim.Adam(splats.values(), lr=0.03)
            grad2d = torch.zeros(len(splats["means"]))
        scales, opacities, colors = splats["scales"].exp(), splats["opacities"].sigmoid(), splats["colors"].sigmoid()
        shape, camera = (splats["means"], splats["quats"], scales, opacities), (viewmats, Ks, 48, 32)
        render, _, meta = rasterization(*shape, colors, *camera, packed=packed, absgrad=absgrad)
        meta["means2d"].retain_grad()
        loss = (render - image).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        grads = meta["means2d"].absgrad if absgrad else meta["means2d"].grad
        sizes = torch.tensor([meta["width"], meta["height"]]) / 2 * meta["n_cameras"]
        seen = None if packed else (meta["radii"] > 0).all(-1)  # [C, N]
        ids, grads = (meta["gaussian_ids"], grads) if seen is None else (seen.nonzero()[:, 1], grads[seen])
        grad2d.index_add_(0, ids, (grads * sizes).norm(dim=-1))
        if step % 20 == 19:
            busy = grad2d >= grad2d.quantile(0.8)
            splats = {name: torch.cat([value, value[busy]]) for name, value in splats.items()}
            counts.append(len(splats["means"]))
    return losses, counts


@pytest.mark.parametrize("absgrad", [False, True])
def test_a_training_loop_written_for_gsplat_runs_with_one_changed_import(absgrad: bool):
    losses, counts = gsplat_training(0, packed=True, absgrad=absgrad)
    assert counts == [72, 87, 105]  # a fifth more each time
    # Over 5 seeds and all instruction sets, with and without absgrad, the last loss is 0.25 to 0.33 of the first.
    assert losses[-1] < 0.5 * losses[0]
    assert gsplat_training(0, packed=False, absgrad=absgrad) == (losses, counts)  # the layout changes no number
