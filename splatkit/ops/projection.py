"""Projection of splats to pixels of cameras, and their colors by spherical harmonics.

The definitions are in `splatkit.reference.projection` and `splatkit.geometry.spherical_harmonics`; the native code in
`cuda/splatting/projection.h` and `spherical_harmonics.h`.
"""

from typing import Any

import torch
from torch import Tensor

from splatkit.ops._library import check_image_size, define, dense, differentiate, native, threads

CAMERA_MODELS = {"pinhole": 0, "orthographic": 1, "fisheye": 2}  # numbers of the native code
# As `cuda/splatting/profiles.h` has them; a test compares. A compiled graph cannot ask the native module.
PROFILES = {"generalized_exponential": 0, "compact_beta": 1}

_CAMERA = "int width, int height, float near, float far, float eps2d, int camera_model, Tensor? distortions"
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
    camera_model: str = "pinhole",
    distortions: Tensor | None = None,
    kernel: str = "generalized_exponential",
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Project splats into cameras; arguments and meaning as in `reference.projection.project_splats`.

    Returns:
        means2d [C, N, 2] px, conics [C, N, 3], depths [C, N], extents [C, N, 2] px; zeros where a splat is not visible.
        Gradients reach means, quats, scales, viewmats and Ks.
    """
    splats = (means, quats, scales, opacities, betas, viewmats, Ks)
    model, kind = _checked_model(camera_model, distortions), number_of(kernel, PROFILES, "kernel")
    return torch.ops.splatkit.project_splats(*splats, width, height, near, far, eps2d, model, distortions, kind)


def project_splats_antialiased(
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
    camera_model: str = "pinhole",
    distortions: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """As `project_splats`, seen through Gaussian pixels of variance eps2d: variance, kurtosis and mass are kept.

    Returns:
        means2d, conics, depths and extents as `project_splats`, then opacities and exponents as each camera sees them
        [C, N]. Gradients reach opacities and betas too.
    """
    splats = (means, quats, scales, opacities, betas, viewmats, Ks)
    model = _checked_model(camera_model, distortions)
    return torch.ops.splatkit.project_splats_antialiased(*splats, width, height, near, far, eps2d, model, distortions)


def number_of(name: str, numbers: dict[str, int], argument: str) -> int:
    """The native code's number of a choice; ValueError that lists the choices."""
    if name not in numbers:
        raise ValueError(f"{argument}: expected one of {', '.join(numbers)}, got {name!r}")
    return numbers[name]


def _checked_model(camera_model: str, distortions: Tensor | None) -> int:
    model = number_of(camera_model, CAMERA_MODELS, "camera_model")
    if (camera_model == "fisheye") != (distortions is not None):
        raise ValueError("distortions: expected [C, 4] coefficients for fisheye cameras, and none for other models")
    return model


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
    size = native().projection_scratch_size(means.detach(), viewmats.shape[0])
    return means.new_empty(size, dtype=torch.float64)


def _native_arguments(args: Any) -> list[Any]:
    """Dense tensors and settings of either projection op, in the order of the native code."""
    check_image_size(args[7], args[8])
    tensors = [dense(tensor) for tensor in args[:7]]
    distortions = None if args[13] is None else dense(args[13])
    return [*tensors, *args[7:13], distortions, args[14] if len(args) > 14 else 0]


def _project_native(*args: Any) -> tuple[Tensor, ...]:
    outputs = _project_fake(*args)
    native().project_splats(*_native_arguments(args), *outputs, None, None, threads())
    return outputs


def _project_fake(*args: Any) -> tuple[Tensor, ...]:
    means, viewmats = args[0], args[5]
    shape = (viewmats.shape[0], means.shape[0])
    return (means.new_empty(*shape, 2), means.new_empty(*shape, 3), means.new_empty(shape), means.new_empty(*shape, 2))


def _antialiased_native(*args: Any) -> tuple[Tensor, ...]:
    outputs = _antialiased_fake(*args)
    native().project_splats(*_native_arguments(args), *outputs, threads())
    return outputs


def _antialiased_fake(*args: Any) -> tuple[Tensor, ...]:
    projected = _project_fake(*args)
    return (*projected, torch.empty_like(projected[2]), torch.empty_like(projected[2]))


def _project_backward_native(*args: Any) -> tuple[Tensor, ...]:
    gradients = [dense(v) for v in args[15:]]
    outputs = _project_backward_fake(*args)
    scratch = _new_scratch(args[5], args[0])
    native().project_splats_backward(
        *_native_arguments(args[:15]), *gradients, *outputs, scratch, None, None, None, None, threads()
    )
    return outputs


def _project_backward_fake(*args: Any) -> tuple[Tensor, ...]:
    return tuple(
        torch.empty_like(args[i], memory_format=torch.contiguous_format) for i in (0, 1, 2, 5, 6)
    )  # means, quats, scales, viewmats, Ks


def _antialiased_backward_native(*args: Any) -> tuple[Tensor, ...]:
    extents, v_means2d, v_conics, v_depths, v_opacities, v_betas = (dense(v) for v in args[14:])
    outputs = _antialiased_backward_fake(*args)
    scratch = _new_scratch(args[5], args[0])
    native().project_splats_backward(
        *_native_arguments(args[:14]),
        extents,
        v_means2d,
        v_conics,
        v_depths,
        *outputs[:5],
        scratch,
        v_opacities,
        v_betas,
        *outputs[5:],
        threads(),
    )
    return outputs


def _antialiased_backward_fake(*args: Any) -> tuple[Tensor, ...]:
    like = (torch.empty_like(args[i], memory_format=torch.contiguous_format) for i in (3, 4))  # opacities, betas
    return (*_project_backward_fake(*args), *like)


def _project_setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    ctx.save_for_backward(*inputs[:7], inputs[13], output[3])
    ctx.settings = (inputs[7:13], inputs[14:])


def _saved_arguments(ctx: Any) -> tuple[list[Any], Tensor]:
    *tensors, distortions, extents = ctx.saved_tensors
    settings, kernel = ctx.settings
    return [*tensors, *settings, distortions, *kernel], extents


def _project_gradient(
    ctx: Any, v_means2d: Tensor, v_conics: Tensor, v_depths: Tensor, v_extents: Tensor
) -> tuple[Any, ...]:
    arguments, extents = _saved_arguments(ctx)
    v_means, v_quats, v_scales, v_viewmats, v_Ks = torch.ops.splatkit.project_splats_backward(
        *arguments, extents, v_means2d, v_conics, v_depths
    )
    return (v_means, v_quats, v_scales, None, None, v_viewmats, v_Ks, *[None] * 8)


def _antialiased_gradient(
    ctx: Any,
    v_means2d: Tensor,
    v_conics: Tensor,
    v_depths: Tensor,
    v_extents: Tensor,
    v_seen_opacities: Tensor,
    v_seen_betas: Tensor,
) -> tuple[Any, ...]:
    arguments, extents = _saved_arguments(ctx)
    v_means, v_quats, v_scales, v_viewmats, v_Ks, v_opacities, v_betas = (
        torch.ops.splatkit.project_splats_antialiased_backward(
            *arguments, extents, v_means2d, v_conics, v_depths, v_seen_opacities, v_seen_betas
        )
    )
    return (v_means, v_quats, v_scales, v_opacities, v_betas, v_viewmats, v_Ks, *[None] * 7)


_PROJECTED = "Tensor means2d, Tensor conics, Tensor depths, Tensor extents"
_V_PROJECTED = "Tensor extents, Tensor v_means2d, Tensor v_conics, Tensor v_depths"
_V_SPLATS = "Tensor v_means, Tensor v_quats, Tensor v_scales, Tensor v_viewmats, Tensor v_Ks"
_V_SEEN = "Tensor v_seen_opacities, Tensor v_seen_betas"

define(f"project_splats({_SPLATS}, {_CAMERA}, int kernel) -> ({_PROJECTED})", _project_native, _project_fake)
define(
    f"project_splats_backward({_SPLATS}, {_CAMERA}, int kernel, {_V_PROJECTED}) -> ({_V_SPLATS})",
    _project_backward_native,
    _project_backward_fake,
)
differentiate("project_splats", _project_gradient, _project_setup)
define(
    f"project_splats_antialiased({_SPLATS}, {_CAMERA}) -> ({_PROJECTED}, Tensor seen_opacities, Tensor seen_betas)",
    _antialiased_native,
    _antialiased_fake,
)
define(
    f"project_splats_antialiased_backward({_SPLATS}, {_CAMERA}, {_V_PROJECTED}, {_V_SEEN})"
    f" -> ({_V_SPLATS}, Tensor v_opacities, Tensor v_betas)",
    _antialiased_backward_native,
    _antialiased_backward_fake,
)
differentiate("project_splats_antialiased", _antialiased_gradient, _project_setup)


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
