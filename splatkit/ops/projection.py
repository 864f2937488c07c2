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


def sh_colors(
    means: Tensor,
    viewmats: Tensor,
    coefficients: Tensor,
    extents: Tensor,
    degree: int,
    others: Tensor | None = None,
) -> Tensor:
    """Colors of splats seen from cameras.

    Args:
        means: [N, 3] world.
        viewmats: [C, 4, 4] world to camera.
        coefficients: [N, K, 3] spherical-harmonics coefficients, K >= (degree + 1)^2; with `others`, those of degree 0
            alone, [N, 3].
        extents: [C, N, 2]; splats with extent 0 get color 0 and no gradient.
        degree: 0 to 3.
        others: [N, K - 1, 3] coefficients of higher degrees, where they are kept apart, as in training.

    Returns:
        [C, N, 3] colors >= 0. Gradients reach means, viewmats, coefficients and others.
    """
    return torch.ops.splatkit.sh_colors(means, viewmats, coefficients, others, extents, degree)


def _new_scratch(viewmats: Tensor, means: Tensor) -> Tensor:
    size = native().projection_scratch_size(means.detach(), viewmats.shape[0])
    return means.new_empty(size, dtype=torch.float64)


def _camera_outputs(wanted: bool, viewmats: Tensor, means: Tensor, *gradients: Tensor) -> tuple[Tensor | None, ...]:
    """Gradients of cameras and their scratch as native code takes them: None where they are not wanted."""
    return (*gradients, _new_scratch(viewmats, means)) if wanted else (None,) * (len(gradients) + 1)


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
    gradients, wants_cameras = [dense(v) for v in args[15:19]], args[19]
    outputs = _project_backward_fake(*args)
    of_cameras = _camera_outputs(wants_cameras, args[5], args[0], *outputs[3:])
    native().project_splats_backward(
        *_native_arguments(args[:15]), *gradients, *outputs[:3], *of_cameras, None, None, None, None, threads()
    )
    return outputs


def _project_backward_fake(*args: Any) -> tuple[Tensor, ...]:
    return _empty_gradients(args, (0, 1, 2), (5, 6), args[-1])  # means, quats, scales; viewmats, Ks


def _empty_gradients(
    args: Any, splats: tuple[int, ...], cameras: tuple[int, ...], wants_cameras: bool
) -> tuple[Tensor, ...]:
    """Tensors for gradients of arguments by their places; those of cameras hold nothing where they are not wanted."""
    of_splats = [torch.empty_like(args[i], memory_format=torch.contiguous_format) for i in splats]
    of_cameras = [args[i].new_empty(args[i].shape if wants_cameras else 0) for i in cameras]
    return (*of_splats, *of_cameras)


def _antialiased_backward_native(*args: Any) -> tuple[Tensor, ...]:
    extents, v_means2d, v_conics, v_depths, v_opacities, v_betas = (dense(v) for v in args[14:20])
    outputs = _antialiased_backward_fake(*args)
    of_cameras = _camera_outputs(args[20], args[5], args[0], *outputs[3:5])
    native().project_splats_backward(
        *_native_arguments(args[:14]),
        extents,
        v_means2d,
        v_conics,
        v_depths,
        *outputs[:3],
        *of_cameras,
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
        *arguments, extents, v_means2d, v_conics, v_depths, _wants_cameras(ctx)
    )
    return (v_means, v_quats, v_scales, None, None, *_of_cameras(ctx, v_viewmats, v_Ks), *[None] * 8)


def _wants_cameras(ctx: Any) -> bool:
    return any(ctx.needs_input_grad[5:7])  # viewmats, Ks


def _of_cameras(ctx: Any, v_viewmats: Tensor, v_Ks: Tensor) -> tuple[Tensor | None, Tensor | None]:
    return (v_viewmats, v_Ks) if _wants_cameras(ctx) else (None, None)


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
            *arguments, extents, v_means2d, v_conics, v_depths, v_seen_opacities, v_seen_betas, _wants_cameras(ctx)
        )
    )
    return (v_means, v_quats, v_scales, v_opacities, v_betas, *_of_cameras(ctx, v_viewmats, v_Ks), *[None] * 7)


_PROJECTED = "Tensor means2d, Tensor conics, Tensor depths, Tensor extents"
_V_PROJECTED = "Tensor extents, Tensor v_means2d, Tensor v_conics, Tensor v_depths"
_V_SPLATS = "Tensor v_means, Tensor v_quats, Tensor v_scales, Tensor v_viewmats, Tensor v_Ks"
_V_SEEN = "Tensor v_seen_opacities, Tensor v_seen_betas"

define(f"project_splats({_SPLATS}, {_CAMERA}, int kernel) -> ({_PROJECTED})", _project_native, _project_fake)
define(
    f"project_splats_backward({_SPLATS}, {_CAMERA}, int kernel, {_V_PROJECTED}, bool wants_cameras) -> ({_V_SPLATS})",
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
    f"project_splats_antialiased_backward({_SPLATS}, {_CAMERA}, {_V_PROJECTED}, {_V_SEEN}, bool wants_cameras)"
    f" -> ({_V_SPLATS}, Tensor v_opacities, Tensor v_betas)",
    _antialiased_backward_native,
    _antialiased_backward_fake,
)
differentiate("project_splats_antialiased", _antialiased_gradient, _project_setup)


def _sh_native(
    means: Tensor, viewmats: Tensor, coefficients: Tensor, others: Tensor | None, extents: Tensor, degree: int
) -> Tensor:
    colors = _sh_fake(means, viewmats, coefficients, others, extents, degree)
    native().sh_colors(*_dense_or_none(means, viewmats, coefficients, others, extents), degree, colors, threads())
    return colors


def _sh_fake(
    means: Tensor, viewmats: Tensor, coefficients: Tensor, others: Tensor | None, extents: Tensor, degree: int
) -> Tensor:
    return means.new_empty(viewmats.shape[0], means.shape[0], 3)


def _dense_or_none(*tensors: Tensor | None) -> list[Tensor | None]:
    return [None if tensor is None else dense(tensor) for tensor in tensors]


def _sh_backward_native(*args: Any) -> tuple[Tensor, ...]:
    tensors, degree, wants_cameras = _dense_or_none(*args[:5], *args[6:8]), args[5], args[8]
    outputs = _sh_backward_fake(*args)
    v_coefficients, v_others, v_means, v_viewmats = outputs
    of_cameras = _camera_outputs(wants_cameras, args[1], args[0], v_viewmats)
    native().sh_colors_backward(
        *tensors[:5],
        degree,
        *tensors[5:],
        v_coefficients,
        None if args[3] is None else v_others,
        v_means,
        *of_cameras,
        threads(),
    )
    return outputs


def _sh_backward_fake(*args: Any) -> tuple[Tensor, ...]:
    means, viewmats, coefficients, others = args[:4]
    empty = means.new_empty(0)
    like = (coefficients, empty if others is None else others, means, viewmats if args[8] else empty)
    return tuple(torch.empty_like(x, memory_format=torch.contiguous_format) for x in like)


def _sh_setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs[:5], output)
    ctx.degree = inputs[5]


def _sh_gradient(ctx: Any, v_colors: Tensor) -> tuple[Any, ...]:
    *tensors, colors = ctx.saved_tensors
    wants_cameras = ctx.needs_input_grad[1]
    v_coefficients, v_others, v_means, v_viewmats = torch.ops.splatkit.sh_colors_backward(
        *tensors, ctx.degree, colors, v_colors, wants_cameras
    )
    v_viewmats, v_others = v_viewmats if wants_cameras else None, None if tensors[3] is None else v_others
    return v_means, v_viewmats, v_coefficients, v_others, None, None


_COLORED = "Tensor means, Tensor viewmats, Tensor coefficients, Tensor? others, Tensor extents, int degree"

define(f"sh_colors({_COLORED}) -> Tensor", _sh_native, _sh_fake)
define(
    f"sh_colors_backward({_COLORED}, Tensor colors, Tensor v_colors, bool wants_cameras)"
    " -> (Tensor v_coefficients, Tensor v_others, Tensor v_means, Tensor v_viewmats)",
    _sh_backward_native,
    _sh_backward_fake,
)
differentiate("sh_colors", _sh_gradient, _sh_setup)
