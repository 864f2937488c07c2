"""`rasterization` as users of gsplat call it: their names, their order, their defaults, their results.

The interface is that of gsplat 1.5.3; the images are those of `render_splats`. What differs from gsplat:
- `betas` and `kernel` are ours, by keyword; without them every splat is a Gaussian.
- Gradients reach `Ks` too, and `radial_coeffs` of a fisheye need no unscented transform (there they have no gradient).
- A splat's support ends where its alpha falls below 1/255, never at a fixed number of standard deviations: `radii` are
  half the width and height of that.
- The native code chooses how to compute: `channel_chunk` and `segmented` change nothing. `packed` changes the layout
  of `meta`, as it does in gsplat, and neither memory nor speed.
"""

from typing import Any

import torch
from torch import Tensor

from splatkit.ops import MAX_CHANNELS, full_precision
from splatkit.ops.rasterization import TILE_SIZE
from splatkit.splatting.kernels.table import profile_named
from splatkit.splatting.rendering import SeenSplats, composite, expected_depths, over_background, see, seen_features

RENDER_MODES = ("RGB", "D", "ED", "RGB+D", "RGB+ED")
_CAMERA_MODELS = {"pinhole": "pinhole", "ortho": "orthographic", "fisheye": "fisheye"}  # gsplat's name: ours
_MOST_RADIUS = float(1 << 30)  # px; keeps radii of splats that touch the camera within int32
_MOST_SH_DEGREE = 3


@full_precision
def rasterization(
    means: Tensor,
    quats: Tensor,
    scales: Tensor,
    opacities: Tensor,
    colors: Tensor,
    viewmats: Tensor,
    Ks: Tensor,
    width: int,
    height: int,
    near_plane: float = 0.01,
    far_plane: float = 1e10,
    radius_clip: float = 0.0,
    eps2d: float = 0.3,
    sh_degree: int | None = None,
    packed: bool = True,
    tile_size: int = TILE_SIZE,
    backgrounds: Tensor | None = None,
    render_mode: str = "RGB",
    sparse_grad: bool = False,
    absgrad: bool = False,
    rasterize_mode: str = "classic",
    channel_chunk: int = 32,
    distributed: bool = False,
    camera_model: str = "pinhole",
    segmented: bool = False,
    covars: Tensor | None = None,
    with_ut: bool = False,
    with_eval3d: bool = False,
    radial_coeffs: Tensor | None = None,
    tangential_coeffs: Tensor | None = None,
    thin_prism_coeffs: Tensor | None = None,
    ftheta_coeffs: object = None,
    rolling_shutter: object = None,
    viewmats_rs: Tensor | None = None,
    *,
    betas: Tensor | None = None,
    kernel: str = "generalized_exponential",
) -> tuple[Tensor, Tensor, dict[str, Any]]:
    """Render splats: gsplat's function of this name, with exponents.

    Args:
        means: [N, 3] world.
        quats: [N, 4] wxyz, any non-zero norm.
        scales: [N, 3] standard deviations, world units.
        opacities: [N] in [0, 1].
        colors: [N, D] features, or [N, K, 3] spherical-harmonics coefficients if sh_degree is given; with C in front,
            [C, N, ...], where each camera sees its own. Not read if render_mode is "D" or "ED".
        viewmats: [C, 4, 4] world to camera, OpenCV axes.
        Ks: [C, 3, 3] px, no skew; px per world unit if "ortho".
        width: px.
        height: px.
        near_plane: z below which splats are dropped.
        far_plane: z above which splats are dropped.
        radius_clip: px; splats of which neither radius is larger are dropped.
        eps2d: px^2, added to the diagonal of the 2-D covariances; antialiased: the variance of a pixel.
        sh_degree: 0 to 3, the degree to evaluate; None for plain features.
        packed: the layout of meta: V rows, one for each splat that a camera sees, or [C, N].
        tile_size: px, 16 only.
        backgrounds: [C, D], or None for black; depths have none.
        render_mode: "RGB" for colors, "D" for composited z-depth, "ED" for expected z-depth (divided by alpha); "RGB+D"
            and "RGB+ED" for colors with the depth as one more channel.
        sparse_grad: False only.
        absgrad: whether `meta["means2d"].absgrad` is set by backward(): the sum over pixels of the absolute gradient
            (AbsGS, arXiv 2404.10484). At most 5 channels then, depth included.
        rasterize_mode: "classic" or "antialiased", see `render_splats`; for Gaussians the latter is gsplat's.
        channel_chunk: not read.
        distributed: False only.
        camera_model: "pinhole", "ortho" or "fisheye".
        segmented: not read.
        covars: None only.
        with_ut: False only.
        with_eval3d: False only.
        radial_coeffs: [C, 4] Kannala-Brandt k1 to k4 of fisheye cameras; None for zeros, the equidistant fisheye.
        tangential_coeffs: None only.
        thin_prism_coeffs: None only.
        ftheta_coeffs: None only.
        rolling_shutter: None, or gsplat's RollingShutterType.GLOBAL.
        viewmats_rs: None only.
        betas: [N] exponents in [1, 8]; None for 2, the Gaussian.
        kernel: "generalized_exponential", or another of `kernels.table.PROFILES`, which may need betas.

    Returns:
        colors [C, H, W, D], with one channel more or alone for depth; alphas [C, H, W, 1]; and meta, which holds

        - means2d [C, N, 2] px, radii [C, N, 2] px (int32, 0 where not visible), depths [C, N], conics [C, N, 3] and
            opacities [C, N] as each camera sees them; packed: [V, ...] in the order of cameras, then of splats. means2d
            keeps its gradient, and `absgrad` where that is asked for.
        - batch_ids, camera_ids, gaussian_ids [V] int64 of the rows; None if not packed.
        - width, height, tile_size, tile_width, tile_height, n_batches (1), n_cameras.

        gsplat's lists of tiles (`tiles_per_gauss`, `isect_ids`, `flatten_ids`, `isect_offsets`) are not in it.

    Raises:
        NotImplementedError: for what gsplat offers and splatkit does not; begins with the name of the argument.
        ValueError: for values and shapes that fit neither; begins with the name of the argument.
    """
    _refuse({"sparse_grad": sparse_grad, "distributed": distributed, "with_ut": with_ut, "with_eval3d": with_eval3d})
    _refuse({"covars": covars, "tangential_coeffs": tangential_coeffs, "thin_prism_coeffs": thin_prism_coeffs})
    shutter = None if getattr(rolling_shutter, "name", "") == "GLOBAL" else rolling_shutter
    _refuse({"ftheta_coeffs": ftheta_coeffs, "rolling_shutter": shutter, "viewmats_rs": viewmats_rs})
    _check_choices(render_mode, tile_size, sh_degree, kernel, betas)
    _check_shapes(means, quats, scales, opacities, betas, viewmats, Ks)
    model, distortions = _lens(camera_model, radial_coeffs, viewmats)
    betas = torch.full_like(opacities, 2.0) if betas is None else betas
    splats = (means, quats, scales, opacities, betas, viewmats, Ks)
    seen = see(*splats, width, height, near_plane, far_plane, eps2d, model, distortions, rasterize_mode, kernel)
    seen, meta = _with_meta(_without_small(seen, radius_clip), packed, width, height)
    shown = []
    if "RGB" in render_mode:
        _check_colors(colors, backgrounds, viewmats, means, sh_degree)
        shown.append(seen_features(means, viewmats, colors, seen.extents, sh_degree))
    if render_mode != "RGB":
        shown.append(seen.depths[..., None])
    probe = _absgrad_probe(seen, meta, sum(part.shape[-1] for part in shown)) if absgrad else None
    image, alphas, _ = composite(seen, torch.cat(shown, -1), width, height, kernel, probe)
    return _finished(image, alphas, render_mode, backgrounds), alphas, meta


def _refuse(asked: dict[str, object]) -> None:
    """Refuse what gsplat offers and splatkit does not; None and False do not ask for it."""
    for name, value in asked.items():
        if value is not None and value is not False:
            raise NotImplementedError(f"{name}: not supported by splatkit's rasterization; leave the argument out")


def _check_choices(render_mode: str, tile_size: int, sh_degree: int | None, kernel: str, betas: Tensor | None) -> None:
    if render_mode not in RENDER_MODES:
        raise ValueError(f"render_mode: expected one of {', '.join(RENDER_MODES)}, got {render_mode!r}")
    if tile_size != TILE_SIZE:
        raise NotImplementedError(f"tile_size: the native code's tiles are {TILE_SIZE} px, got {tile_size}")
    if sh_degree is not None and not 0 <= sh_degree <= _MOST_SH_DEGREE:
        raise NotImplementedError(f"sh_degree: from 0 to {_MOST_SH_DEGREE}, got {sh_degree}")
    if betas is None and profile_named(kernel).gaussian_beta is None:
        raise ValueError(f"betas: the kernel {kernel} has no exponent that makes it a Gaussian; pass betas")


def _check_shapes(
    means: Tensor,
    quats: Tensor,
    scales: Tensor,
    opacities: Tensor,
    betas: Tensor | None,
    viewmats: Tensor,
    Ks: Tensor,
) -> None:
    if means.ndim > 2:
        raise NotImplementedError(
            f"means: one scene [N, 3] at a time, got {list(means.shape)}; call once for each scene"
        )
    if means.ndim != 2 or means.shape[1] != 3:
        raise ValueError(f"means: expected shape [N, 3], got {list(means.shape)}")
    if viewmats.ndim != 3:
        raise ValueError(f"viewmats: expected shape [C, 4, 4], got {list(viewmats.shape)}")
    splats, cameras = len(means), len(viewmats)
    expected = {
        "quats": (quats, [splats, 4]),
        "scales": (scales, [splats, 3]),
        "opacities": (opacities, [splats]),
        "betas": (opacities if betas is None else betas, [splats]),
        "viewmats": (viewmats, [cameras, 4, 4]),
        "Ks": (Ks, [cameras, 3, 3]),
    }
    for name, (tensor, shape) in expected.items():
        if list(tensor.shape) != shape:
            raise ValueError(
                f"{name}: expected shape {shape} for {splats} splats and {cameras} cameras, got {list(tensor.shape)}"
            )


def _check_colors(
    colors: Tensor, backgrounds: Tensor | None, viewmats: Tensor, means: Tensor, sh_degree: int | None
) -> None:
    splats, cameras = len(means), len(viewmats)
    own = 1 if sh_degree is None else 2  # axes of one splat's colors
    leading, last = list(colors.shape[:-own]), list(colors.shape[-own:])
    fits = sh_degree is None or (last[1:] == [3] and last[0] >= (sh_degree + 1) ** 2)
    if leading not in ([splats], [cameras, splats]) or not fits:
        axes = "D" if sh_degree is None else f"K >= {(sh_degree + 1) ** 2}, 3"
        raise ValueError(
            f"colors: expected shape [{splats}, {axes}] or [{cameras}, {splats}, {axes}], got {list(colors.shape)}"
        )
    if backgrounds is not None and list(backgrounds.shape) != [cameras, last[-1]]:
        raise ValueError(f"backgrounds: expected shape {[cameras, last[-1]]}, got {list(backgrounds.shape)}")


def _lens(camera_model: str, radial_coeffs: Tensor | None, viewmats: Tensor) -> tuple[str, Tensor | None]:
    """Our name of a camera model, and [C, 4] coefficients of fisheyes."""
    if camera_model == "ftheta":
        raise NotImplementedError("camera_model: ftheta is not supported; fisheye is Kannala-Brandt")
    if camera_model not in _CAMERA_MODELS:
        raise ValueError(f"camera_model: expected one of {', '.join(_CAMERA_MODELS)}, got {camera_model!r}")
    if camera_model != "fisheye":
        if radial_coeffs is not None:
            raise NotImplementedError(
                f"radial_coeffs: for fisheye cameras only, not {camera_model}; rectify the images"
            )
        return _CAMERA_MODELS[camera_model], None
    if radial_coeffs is None:
        return "fisheye", viewmats.new_zeros(len(viewmats), 4)
    if list(radial_coeffs.shape) != [len(viewmats), 4]:
        raise ValueError(f"radial_coeffs: expected shape {[len(viewmats), 4]}, got {list(radial_coeffs.shape)}")
    return "fisheye", radial_coeffs


def _without_small(seen: SeenSplats, radius_clip: float) -> SeenSplats:
    """Splats of which neither radius is above a number of pixels are not visible."""
    if radius_clip <= 0:
        return seen
    kept = (seen.extents.ceil() > radius_clip).any(-1, keepdim=True)
    return seen._replace(extents=torch.where(kept, seen.extents, 0.0))


def _with_meta(seen: SeenSplats, packed: bool, width: int, height: int) -> tuple[SeenSplats, dict[str, Any]]:
    """gsplat's dictionary, and the splats to composite, whose means2d stem from those in the dictionary."""
    splats = {
        "radii": seen.extents.ceil().clamp_max(_MOST_RADIUS).int(),
        "means2d": seen.means2d,
        "depths": seen.depths,
        "conics": seen.conics,
        "opacities": seen.opacities.expand(seen.depths.shape),
    }
    rows: tuple[Tensor, Tensor] | None = None  # camera and splat of what is visible
    if packed:
        camera_ids, gaussian_ids = (seen.extents > 0).all(-1).nonzero(as_tuple=True)
        rows = (camera_ids, gaussian_ids)
        splats = {name: values[rows] for name, values in splats.items()}
        seen = seen._replace(means2d=torch.zeros_like(seen.means2d).index_put(rows, splats["means2d"]))
    if splats["means2d"].requires_grad:
        splats["means2d"].retain_grad()
    ids = {
        "batch_ids": None if rows is None else torch.zeros_like(rows[0]),
        "camera_ids": None if rows is None else rows[0],
        "gaussian_ids": None if rows is None else rows[1],
    }
    sizes = {
        "width": width,
        "height": height,
        "tile_size": TILE_SIZE,
        "tile_width": -(-width // TILE_SIZE),
        "tile_height": -(-height // TILE_SIZE),
        "n_batches": 1,
        "n_cameras": len(seen.depths),
    }
    return seen, {**ids, **splats, **sizes}


def _absgrad_probe(seen: SeenSplats, meta: dict[str, Any], channels: int) -> Tensor:
    """What `composite` takes to find absolute gradients; they become the attribute `absgrad` of meta's means2d."""
    if channels > MAX_CHANNELS:
        raise ValueError(f"absgrad: works with at most {MAX_CHANNELS} channels, depth included, got {channels}")
    means2d, camera_ids, gaussian_ids = meta["means2d"], meta["camera_ids"], meta["gaussian_ids"]

    def keep(gradient: Tensor) -> None:
        means2d.absgrad = gradient if camera_ids is None else gradient[camera_ids, gaussian_ids]

    probe = torch.zeros_like(seen.means2d, requires_grad=True)
    probe.register_hook(keep)
    return probe


def _finished(image: Tensor, alphas: Tensor, render_mode: str, backgrounds: Tensor | None) -> Tensor:
    """The image as a mode shows it: colors before their background, the depth last."""
    channels = image.shape[-1] - (render_mode != "RGB")
    colors, depths = image.split([channels, image.shape[-1] - channels], -1)
    if render_mode.endswith("ED"):
        depths = expected_depths(depths, alphas)
    if "RGB" not in render_mode:
        return depths
    if backgrounds is not None:
        colors = over_background(colors, alphas, backgrounds)
    return colors if render_mode == "RGB" else torch.cat([colors, depths], -1)
