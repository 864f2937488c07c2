"""Projection of splats to pixels of pinhole cameras, and their colors by spherical harmonics.

The definitions are in `splatkit.reference.projection` and `splatkit.geometry.spherical_harmonics`; the native code in
`cuda/splatting/projection.h` and `spherical_harmonics.h`.
"""

from typing import Any

import torch
from torch import Tensor

from splatkit.ops._library import check_image_size, define, dense, differentiate, native, threads

_CAMERA = "int width, int height, float near, float far, float eps2d"
_SPLATS = "Tensor means, Tensor quats, Tensor scales, Tensor opacities, Tensor betas, Tensor viewmats, Tensor Ks"


def project_splats(
    means: Tensor,
    quats: Tensor,
    scales: Tensor,
    opacities: Tensor,
    betas: Tensor,
    viewmats: Tensor,
    Ks: Tensor,
    width: int,
    height: int,
    near: float,
    far: float,
    eps2d: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Project splats into pinhole cameras; arguments and meaning as in `reference.projection.project_splats`.

    Returns:
        means2d [C, N, 2] px, conics [C, N, 3], depths [C, N], extents [C, N, 2] px; zeros where a splat is not visible.
        Gradients reach means, quats, scales, viewmats and Ks.
    """
    return torch.ops.splatkit.project_splats(
        means, quats, scales, opacities, betas, viewmats, Ks, width, height, near, far, eps2d
    )


def sh_colors(means: Tensor, viewmats: Tensor, coefficients: Tensor, extents: Tensor, degree: int) -> Tensor:
    """Colors of splats seen from cameras.

    Args:
        means: [N, 3] world.
        viewmats: [C, 4, 4] world to camera.
        coefficients: [N, K, 3] spherical-harmonics coefficients, K >= (degree + 1)^2.
        extents: [C, N, 2]; splats with extent 0 get color 0 and no gradient.
        degree: 0 to 3.

    Returns:
        [C, N, 3] colors >= 0. Gradients reach means, viewmats and coefficients.
    """
    return torch.ops.splatkit.sh_colors(means, viewmats, coefficients, extents, degree)


def _new_scratch(viewmats: Tensor, means: Tensor) -> Tensor:
    size = native().projection_scratch_size(means, viewmats.shape[0])
    return means.new_empty(size, dtype=torch.float64)


def _project_native(*args: Any) -> tuple[Tensor, ...]:
    tensors, settings = [dense(tensor) for tensor in args[:7]], args[7:]
    check_image_size(settings[0], settings[1])
    outputs = _project_fake(*args)
    native().project_splats(*tensors, *settings, *outputs, threads())
    return outputs


def _project_fake(*args: Any) -> tuple[Tensor, ...]:
    means, viewmats = args[0], args[5]
    shape = (viewmats.shape[0], means.shape[0])
    return (means.new_empty(*shape, 2), means.new_empty(*shape, 3), means.new_empty(shape), means.new_empty(*shape, 2))


def _project_backward_native(*args: Any) -> tuple[Tensor, ...]:
    tensors, settings, gradients = [dense(tensor) for tensor in args[:7]], args[7:12], [dense(v) for v in args[12:]]
    outputs = _project_backward_fake(*args)
    scratch = _new_scratch(tensors[5], tensors[0])
    native().project_splats_backward(*tensors, *settings, *gradients, *outputs, scratch, threads())
    return outputs


def _project_backward_fake(*args: Any) -> tuple[Tensor, ...]:
    means, quats, scales, viewmats, Ks = args[0], args[1], args[2], args[5], args[6]
    return tuple(
        torch.empty_like(x, memory_format=torch.contiguous_format) for x in (means, quats, scales, viewmats, Ks)
    )


def _project_setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    ctx.save_for_backward(*inputs[:7], output[3])
    ctx.settings = inputs[7:]


def _project_gradient(
    ctx: Any, v_means2d: Tensor, v_conics: Tensor, v_depths: Tensor, v_extents: Tensor
) -> tuple[Any, ...]:
    *tensors, extents = ctx.saved_tensors
    v_means, v_quats, v_scales, v_viewmats, v_Ks = torch.ops.splatkit.project_splats_backward(
        *tensors, *ctx.settings, extents, v_means2d, v_conics, v_depths
    )
    return (v_means, v_quats, v_scales, None, None, v_viewmats, v_Ks, None, None, None, None, None)


define(
    f"project_splats({_SPLATS}, {_CAMERA}) -> (Tensor means2d, Tensor conics, Tensor depths, Tensor extents)",
    _project_native,
    _project_fake,
)
define(
    f"project_splats_backward({_SPLATS}, {_CAMERA}, Tensor extents, Tensor v_means2d, Tensor v_conics, Tensor v_depths)"
    " -> (Tensor v_means, Tensor v_quats, Tensor v_scales, Tensor v_viewmats, Tensor v_Ks)",
    _project_backward_native,
    _project_backward_fake,
)
differentiate("project_splats", _project_gradient, _project_setup)


def _sh_native(means: Tensor, viewmats: Tensor, coefficients: Tensor, extents: Tensor, degree: int) -> Tensor:
    colors = _sh_fake(means, viewmats, coefficients, extents, degree)
    tensors = [dense(tensor) for tensor in (means, viewmats, coefficients, extents)]
    native().sh_colors(*tensors, degree, colors, threads())
    return colors


def _sh_fake(means: Tensor, viewmats: Tensor, coefficients: Tensor, extents: Tensor, degree: int) -> Tensor:
    return means.new_empty(viewmats.shape[0], means.shape[0], 3)


def _sh_backward_native(*args: Any) -> tuple[Tensor, ...]:
    tensors, degree, colors, v_colors = [dense(tensor) for tensor in args[:4]], args[4], dense(args[5]), dense(args[6])
    outputs = _sh_backward_fake(*args)
    scratch = _new_scratch(tensors[1], tensors[0])
    native().sh_colors_backward(*tensors, degree, colors, v_colors, *outputs, scratch, threads())
    return outputs


def _sh_backward_fake(*args: Any) -> tuple[Tensor, ...]:
    means, viewmats, coefficients = args[:3]
    return tuple(torch.empty_like(x, memory_format=torch.contiguous_format) for x in (coefficients, means, viewmats))


def _sh_setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs[:4], output)
    ctx.degree = inputs[4]


def _sh_gradient(ctx: Any, v_colors: Tensor) -> tuple[Any, ...]:
    *tensors, colors = ctx.saved_tensors
    v_coefficients, v_means, v_viewmats = torch.ops.splatkit.sh_colors_backward(*tensors, ctx.degree, colors, v_colors)
    return v_means, v_viewmats, v_coefficients, None, None


define(
    "sh_colors(Tensor means, Tensor viewmats, Tensor coefficients, Tensor extents, int degree) -> Tensor",
    _sh_native,
    _sh_fake,
)
define(
    "sh_colors_backward(Tensor means, Tensor viewmats, Tensor coefficients, Tensor extents, int degree, Tensor colors,"
    " Tensor v_colors) -> (Tensor v_coefficients, Tensor v_means, Tensor v_viewmats)",
    _sh_backward_native,
    _sh_backward_fake,
)
differentiate("sh_colors", _sh_gradient, _sh_setup)
