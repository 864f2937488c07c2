"""Projection, colors, compositing and the photometric loss of the smoke run."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from gpu_checks.comparison import Case, Finding, compare, share_beyond
from splatkit import ops
from splatkit.ops.rasterization import TileLists
from splatkit.reference import adam, photometric, projection, rasterization
from tests.splat_scenes import Projected, ReferenceBackend, SplatScene, make_splat_scene, replace_tensors

SPLATS = 150
IMAGE_ROUNDING, GRADIENT_ROUNDING = 1e-5, 5e-4  # of float32 sums over some hundred splats
PROJECTION_ROUNDING, PROJECTION_GRADIENTS = 1e-5, 2e-3  # conics of thin splats are ill-conditioned
BORDER_SHARE = 2e-3  # of pixels where float32 puts a splat on the other side of alpha = 1/255
MEDIAN_SHARE = 0.01  # of pixels where it brings half of the light one splat earlier or later

_LISTS = ("count_tiles", "scan_totals", "add_totals", "emit_keys", "fill_ids", "find_tiles")
_LIST_KERNELS = frozenset(f"{name}_kernel" for name in _LISTS)


def on(device: str, scene: SplatScene) -> SplatScene:
    """The scene in float32 on a device."""
    tensors = {name: x.to(device, torch.float32) for name, x in scene._asdict().items() if isinstance(x, Tensor)}
    return replace_tensors(scene, tensors)


def randoms(*shape: int, seed: int = 1) -> Tensor:
    """Standard normal numbers, float64."""
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def project(model: str, antialiased: bool, device: str) -> list[Finding]:
    """Splats in pixels and all gradients, the camera's too, and those of splats once more without the camera's."""
    base = make_splat_scene(300, seed=5)
    names = ["means", "quats", "scales", "viewmats", "Ks"] + (["opacities", "betas"] if antialiased else [])
    lens = torch.tensor([[0.05, -0.02, 0.003, -0.001]] * 2).double() if model == "fisheye" else None

    of_splats = [name for name in names if name not in ("viewmats", "Ks")]

    def results(
        scene: SplatScene, distortions: Tensor | None, reference: bool, wanted: Sequence[str] = names
    ) -> list[Tensor]:
        leaves = {name: getattr(scene, name).clone().requires_grad_() for name in wanted}
        arguments: Any = (*replace_tensors(scene, leaves), model, distortions)
        out: Any
        if reference:
            arguments = (*arguments, antialiased)
            out = projection.project_splats(*arguments)
        elif antialiased:
            out = ops.project_splats_antialiased(*arguments)
        else:
            out = ops.project_splats(*arguments)
        shown = [out[index] for index in (0, 1, 2, 4, 5)[: 5 if antialiased else 3]]
        terms = [(x * randoms(*x.shape, seed=seed).to(x)).sum() for seed, x in enumerate(shown)]
        torch.stack(terms).sum().backward()
        return [*shown, *(leaf.grad for leaf in leaves.values() if leaf.grad is not None)]

    expected = results(base, lens, reference=True)
    there = None if lens is None else lens.to(device, torch.float32)
    actual = results(on(device, base), there, reference=False)
    alone = results(on(device, base), there, reference=False, wanted=of_splats)
    values = ["means2d", "conics", "depths", "opacities", "betas"][: 5 if antialiased else 3]
    count = len(values)
    return [
        *compare(values, actual[:count], expected[:count], PROJECTION_ROUNDING),
        *compare([f"d {name}" for name in names], actual[count:], expected[count:], PROJECTION_GRADIENTS),
        *compare(
            [f"d {name}, alone" for name in of_splats],
            alone[count:],
            [expected[count + names.index(name)] for name in of_splats],
            PROJECTION_GRADIENTS,
        ),
    ]


def sh_colors(degree: int, device: str) -> list[Finding]:
    """Colors by spherical harmonics and their gradients."""
    base = make_splat_scene(300)
    extents = projection.project_splats(*base)[3]
    coefficients = 0.3 * randoms(300, 16, 3)
    v = randoms(2, 300, 3, seed=2)

    def results(
        scene: SplatScene, coefficients: Tensor, extents: Tensor, reference: bool, apart: bool = False
    ) -> list[Tensor]:
        leaves = [x.clone().requires_grad_() for x in (scene.means, scene.viewmats, coefficients)]
        if reference:
            moved = scene._replace(means=leaves[0], viewmats=leaves[1])
            colors = ReferenceBackend().sh_colors(moved, leaves[2], extents, degree)
        elif apart:  # as training asks: of no camera
            parts = (leaves[2][:, 0], leaves[2][:, 1:])
            colors = ops.sh_colors(leaves[0], scene.viewmats, parts[0], extents, degree, parts[1])
        else:
            colors = ops.sh_colors(leaves[0], leaves[1], leaves[2], extents, degree)
        gradients = torch.autograd.grad(colors, leaves, v.to(colors), allow_unused=True, materialize_grads=True)
        return [colors, gradients[0], gradients[1][:, :3], gradients[2]]

    expected = results(base, coefficients, extents, reference=True)
    coefficients, extents = (x.to(device, torch.float32) for x in (coefficients, extents))
    actual = results(on(device, base), coefficients, extents, reference=False)
    alone = results(on(device, base), coefficients, extents, reference=False, apart=True)
    names = ["colors", "d means", "d viewmats", "d coefficients"]
    return [
        *compare(names, actual, expected, GRADIENT_ROUNDING),
        *compare(
            [f"{names[i]}, apart" for i in (0, 1, 3)],
            [alone[i] for i in (0, 1, 3)],
            [expected[i] for i in (0, 1, 3)],
            GRADIENT_ROUNDING,
        ),
    ]


def composite(channels: int, kernel: str, device: str) -> list[Finding]:
    """Lists of tiles, the image, and all gradients."""
    scene = make_splat_scene(SPLATS, seed=channels)
    projected = ReferenceBackend().project(scene)
    means2d, conics, depths, extents = projected
    colors = torch.rand(2, SPLATS, channels, generator=torch.Generator().manual_seed(0)).double()
    inputs = (means2d, conics, colors, scene.opacities, scene.betas)
    v_image, v_alphas = randoms(2, scene.height, scene.width, channels), randoms(2, scene.height, scene.width, seed=2)
    size = (scene.width, scene.height)

    def results(depths: Tensor, extents: Tensor, inputs: Any, reference: bool) -> list[Tensor]:
        leaves = [x.clone().requires_grad_() for x in inputs]
        geometry: Any = (leaves[0], leaves[1], depths, extents)
        shown: Any = leaves[2:]
        lists: Any = () if reference else (ops.intersect_tiles(leaves[0], leaves[1], depths, extents, *size),)
        rasterize: Any = rasterization.rasterize_splats if reference else ops.rasterize_splats
        image, alphas = rasterize(*geometry, *shown, *lists, *size, kernel=kernel)
        gradients = torch.autograd.grad((image, alphas), leaves, (v_image.to(image), v_alphas.to(alphas)))
        return [image, alphas, *gradients]

    expected = results(depths, extents, inputs, reference=True)
    there = [x.to(device, torch.float32) for x in (depths, extents, *inputs)]
    actual = results(there[0], there[1], there[2:], reference=False)
    names = ["d means2d", "d conics", "d colors", "d opacities", "d betas"]
    return [
        share_beyond("image", actual[0], expected[0], IMAGE_ROUNDING, BORDER_SHARE),
        share_beyond("alphas", actual[1], expected[1], IMAGE_ROUNDING, BORDER_SHARE),
        *compare(names, actual[2:], expected[2:], GRADIENT_ROUNDING),
    ]


def absolute_gradients(device: str) -> list[Finding]:
    """Sums over pixels of the absolute gradients of means2d."""
    K = torch.tensor([[15.0, 0, 8.5], [0, 15.0, 8.0], [0, 0, 1]]).double()
    scene = make_splat_scene(6, seed=1, cameras=1)
    scene = scene._replace(width=17, height=16, Ks=K[None], scales=4 * scene.scales)
    means2d, conics, depths, extents = ReferenceBackend().project(scene)
    colors, size = torch.rand(1, 6, 2, generator=torch.Generator().manual_seed(0)).double(), (17, 16)
    v = randoms(1, 16, 17, 2)
    leaf = means2d.clone().requires_grad_()
    shown = (colors, scene.opacities, scene.betas)
    image = rasterization.rasterize_splats(leaf, conics, depths, extents, *shown, *size)[0]
    by_pixel = (image * v).sum(-1).reshape(-1)
    (gradients,) = torch.autograd.grad(by_pixel, leaf, torch.eye(len(by_pixel)).double(), is_grads_batched=True)
    there: list[Any] = [x.to(device, torch.float32) for x in (means2d, conics, depths, extents, *shown)]
    probe = torch.zeros_like(there[0], requires_grad=True)
    lists = ops.intersect_tiles(there[0], there[1], there[2], there[3], *size)
    arguments: Any = (*there, lists, *size, probe)
    features = ops.rasterize_splats(*arguments)[0]
    features.backward(v.to(features))
    assert probe.grad is not None
    return compare(["absolute gradients"], [probe.grad], [gradients.abs().sum(0)], GRADIENT_ROUNDING)


def median_depths(device: str) -> list[Finding]:
    """Where half of the light is gone, against images of the nearest splats alone: one, two, and so on."""
    scene = make_splat_scene(60, cameras=1)
    projected = ReferenceBackend().project(scene)
    there: list[Any] = [x.to(device, torch.float32) for x in (*projected, scene.opacities, scene.betas)]
    size = (scene.width, scene.height)
    lists: TileLists = ops.intersect_tiles(there[0], there[1], there[2], there[3], *size)
    arguments: Any = (*there, lists, *size)
    medians = ops.median_depths(*arguments)
    return [share_beyond("median depths", medians[0], _medians(scene, projected), 1e-4, MEDIAN_SHARE)]


def _medians(scene: SplatScene, projected: Projected) -> Tensor:
    """[H, W] by definition."""
    means2d, conics, depths, extents = projected
    order = depths[0, extents[0, :, 0] > 0].sort().values
    nearest = torch.where(depths <= order[:, None], extents[..., 0], 0)[..., None].expand(-1, -1, 2)
    count = len(order)
    rows = (x.expand(count, -1, *x.shape[2:]) for x in (means2d, conics, depths))
    ones, size = torch.ones(count, len(scene.means), 1).double(), (scene.width, scene.height)
    arguments: Any = (*rows, nearest, ones, scene.opacities, scene.betas, *size)
    _, alphas = rasterization.rasterize_splats(*arguments)
    gone = alphas >= 0.5
    return torch.where(gone.any(0), order[gone.int().argmax(0)], 0.0)


def photometric_loss(device: str) -> list[Finding]:
    """The loss, its parts, and its gradient."""
    target = torch.rand(37, 300, 3, generator=torch.Generator().manual_seed(0)).double()
    rendered = target + 0.2 * randoms(37, 300, 3)
    results = []
    for loss, where in ((photometric.photometric_loss, None), (ops.photometric_loss, device)):
        pair = (rendered, target) if where is None else (rendered.to(where).float(), target.to(where).float())
        leaf = pair[0].clone().requires_grad_()
        parts = loss(leaf, pair[1], 0.3)
        results.append([*parts, *torch.autograd.grad(parts[0], leaf)])
    return compare(["loss", "L1", "SSIM", "d rendered"], results[1], results[0], 1e-4)


def adam_step(device: str) -> list[Finding]:
    """Adam of groups of different widths."""
    groups = [[randoms(SPLATS, width, seed=seed) for seed in range(4)] for width in (3, 1, 45)]
    for group in groups:
        group[3] = group[3].square()
    steps, rates = (1.0, 5.0, 900.0), (0.01, 0.05, 0.002)
    settings: Any = (0.9, 0.999, 1e-15)
    there: Any = [[x.to(device, torch.float32) for x in group] for group in groups]
    counts = [torch.tensor(step, device=device) for step in steps]
    values, gradients, means, squares = (list(column) for column in zip(*there, strict=True))
    ops.adam_step(values, gradients, means, squares, counts, rates, *settings)
    found = []
    for group, moved, step, rate in zip(groups, there, steps, rates, strict=True):
        expected = adam.adam_step(group[0], group[1], group[2], group[3], step, rate, *settings)
        found += compare(["values", "means", "squares"], [moved[0], *moved[2:]], list(expected), 1e-5)
    return found


def _projection_case(model: str, antialiased: bool) -> Case:
    backward = f"project_splats_backward_kernel<{antialiased:d}, "
    kernels = {f"project_splats_kernel<{antialiased:d}>", f"{backward}0>"}
    if model == "pinhole":
        kernels.add(f"{backward}1>")
    name = f"project {model}{' antialiased' if antialiased else ''}"
    return Case(name, frozenset(kernels | {"sum_camera_partials_kernel"}), partial(project, model, antialiased))


def _color_case(degree: int) -> Case:
    kernels = {f"sh_colors_kernel<{degree}>", "sum_camera_partials_kernel"}
    kernels |= {f"sh_colors_backward_kernel<{degree}, {cameras}>" for cameras in (0, 1)}
    return Case(f"colors of degree {degree}", frozenset(kernels), partial(sh_colors, degree))


def _compositing_kernels(channels: int) -> frozenset[str]:
    by_channels = {f"rasterize_kernel<{channels}, 0>", f"rasterize_backward_kernel<{channels}>"}
    own = by_channels | {"clear_idle_slots_kernel", "sum_slots_kernel"}
    return _LIST_KERNELS | own


def _compositing_case(channels: int, profile: str) -> Case:
    name = f"composite {channels} channels, {profile}"
    return Case(name, _compositing_kernels(channels), partial(composite, channels, profile))


CASES = [
    *(
        _projection_case(model, filtered)
        for model in ("pinhole", "orthographic", "fisheye")
        for filtered in (False, True)
    ),
    *(_color_case(degree) for degree in range(4)),
    *(_compositing_case(channels, "generalized_exponential") for channels in range(1, ops.MAX_CHANNELS + 1)),
    _compositing_case(3, "compact_beta"),
    Case("Adam", frozenset({"adam_step_kernel"}), adam_step),
    Case("absolute gradients", _compositing_kernels(2), absolute_gradients),
    Case("median depths", _LIST_KERNELS | {"rasterize_kernel<1, 1>"}, median_depths),
    Case(
        "photometric loss",
        frozenset({"ssim_windows_kernel", "photometric_gradient_kernel", "photometric_means_kernel"}),
        photometric_loss,
    ),
]
