# Written by `python -m nanobind.stubgen -m splatkit._C -O splatkit --exclude-values`, then `ruff format`.
from collections.abc import Sequence

compiler: str = ...

cuda: str = ...

why_no_cuda: str = ...

def instruction_set() -> str: ...
def use_instruction_set(arg: str, /) -> bool: ...

PROFILES: tuple = ...

TILE_SIZE: int = ...

MAX_CHANNELS: int = ...

SLOT_GRADIENTS: int = ...

def projection_scratch_size(arg0: object, arg1: int, /) -> int: ...
def project_splats(
    means: object,
    quats: object,
    scales: object,
    opacities: object,
    betas: object,
    viewmats: object,
    Ks: object,
    width: int,
    height: int,
    near: float,
    far: float,
    eps2d: float,
    camera_model: int,
    distortions: object | None,
    kernel: int,
    means2d: object,
    conics: object,
    depths: object,
    extents: object,
    seen_opacities: object | None,
    seen_betas: object | None,
    threads: int,
) -> None: ...
def project_splats_backward(
    means: object,
    quats: object,
    scales: object,
    opacities: object,
    betas: object,
    viewmats: object,
    Ks: object,
    width: int,
    height: int,
    near: float,
    far: float,
    eps2d: float,
    camera_model: int,
    distortions: object | None,
    kernel: int,
    extents: object,
    v_means2d: object,
    v_conics: object,
    v_depths: object,
    v_means: object,
    v_quats: object,
    v_scales: object,
    v_viewmats: object | None,
    v_Ks: object | None,
    scratch: object | None,
    v_seen_opacities: object | None,
    v_seen_betas: object | None,
    v_opacities: object | None,
    v_betas: object | None,
    threads: int,
) -> None: ...
def sh_colors(
    means: object,
    viewmats: object,
    coefficients: object,
    others: object | None,
    extents: object,
    degree: int,
    colors: object,
    threads: int,
) -> None: ...
def sh_colors_backward(
    means: object,
    viewmats: object,
    coefficients: object,
    others: object | None,
    extents: object,
    degree: int,
    colors: object,
    v_colors: object,
    v_coefficients: object,
    v_others: object | None,
    v_means: object,
    v_viewmats: object | None,
    scratch: object | None,
    threads: int,
) -> None: ...
def count_scratch_size(arg: object, /) -> int: ...
def tile_lists_scratch_size(arg0: object, arg1: int, arg2: int, /) -> int: ...
def count_intersections(
    arg0: object,
    arg1: object,
    arg2: object,
    arg3: object,
    arg4: int,
    arg5: int,
    arg6: object,
    arg7: object,
    arg8: int,
    /,
) -> int: ...
def fill_tile_lists(
    arg0: object,
    arg1: object,
    arg2: object,
    arg3: object,
    arg4: int,
    arg5: int,
    arg6: object,
    arg7: object,
    arg8: object,
    arg9: object,
    arg10: object,
    arg11: int,
    /,
) -> None: ...
def rasterize_splats(
    arg0: object,
    arg1: object,
    arg2: object,
    arg3: object,
    arg4: object,
    arg5: object,
    arg6: object,
    arg7: int,
    arg8: int,
    arg9: int,
    arg10: object,
    arg11: object,
    arg12: object,
    arg13: object,
    arg14: object,
    arg15: object,
    arg16: int,
    /,
) -> None: ...
def median_depths(
    arg0: object,
    arg1: object,
    arg2: object,
    arg3: object,
    arg4: object,
    arg5: object,
    arg6: int,
    arg7: int,
    arg8: int,
    arg9: object,
    arg10: object,
    arg11: object,
    arg12: object,
    arg13: object,
    arg14: int,
    /,
) -> None: ...
def rasterize_splats_backward(
    means2d: object,
    conics: object,
    depths: object,
    extents: object,
    colors: object,
    opacities: object,
    betas: object,
    width: int,
    height: int,
    kernel: int,
    splat_offsets: object,
    tile_offsets: object,
    splat_ids: object,
    slots: object,
    features: object,
    alphas: object,
    v_features: object,
    v_alphas: object,
    v_means2d: object,
    v_means2d_abs: object | None,
    v_conics: object,
    v_colors: object,
    v_opacities: object,
    v_betas: object | None,
    scratch: object,
    threads: int,
) -> None: ...
def photometric_scratch_sizes(arg: object, /) -> tuple: ...
def photometric_loss(
    arg0: object,
    arg1: object,
    arg2: float,
    arg3: object,
    arg4: object,
    arg5: object,
    arg6: object,
    arg7: object,
    arg8: object,
    arg9: int,
    /,
) -> None: ...
def encode(
    positions: object,
    tangents: object | None,
    table: object,
    type: int,
    settings: tuple,
    scratch: object,
    features: object,
    threads: int,
) -> None: ...
def encode_scatter(
    positions: object,
    tangents: object | None,
    v_features: object,
    settings: tuple,
    scratch: object,
    totals: object | None,
    v_table: object,
    threads: int,
) -> None: ...
def encode_pull(
    positions: object,
    tangents: object | None,
    table: object,
    type: int,
    v_features: object,
    settings: tuple,
    scratch: object,
    v_positions: object,
    threads: int,
) -> None: ...
def prefer_huge_pages(arg: object, /) -> None: ...
def encoding_scratch_size(arg: object, /) -> int: ...
def surface_scratch_size(arg0: object, arg1: bool, /) -> int: ...
def count_surface(arg0: object, arg1: bool, arg2: object, arg3: int, /) -> tuple[int, int, int, int, int, int]: ...
def fill_surface(arg0: object, arg1: bool, arg2: object, arg3: tuple, arg4: int, /) -> None: ...
def surface_vertices(
    topology: tuple,
    values: object,
    parameters: tuple,
    centers: bool,
    vertices: object,
    deviations: object | None,
    threads: int,
) -> None: ...
def surface_gradient_scratch_size(arg0: object, arg1: int, arg2: int, /) -> int: ...
def surface_vertices_backward(
    topology: tuple,
    values: object,
    parameters: tuple,
    centers: bool,
    vertices: object,
    v_vertices: object,
    v_deviations: object | None,
    outputs: tuple,
    scratch: object,
    threads: int,
) -> None: ...
def surface_faces(
    arg0: tuple, arg1: object, arg2: tuple, arg3: bool, arg4: object, arg5: object, arg6: int, /
) -> None: ...
def range_values(
    raw: object, places: object | None, rate: float, scale: float, offset: float, values: object, threads: int
) -> None: ...
def range_backward(
    values: object,
    places: object | None,
    rate: float,
    scale: float,
    offset: float,
    v_values: object,
    v_raw: object,
    threads: int,
) -> None: ...
def surface_case(arg: int, /) -> tuple: ...
def tiny_mlp(arg0: object, arg1: object, arg2: Sequence[int], arg3: object, arg4: int, /) -> None: ...
def tiny_mlp_backward(
    features: object,
    parameters: object,
    widths: Sequence[int],
    v_outputs: object,
    scratch: object,
    v_features: object | None,
    v_parameters: object,
    threads: int,
) -> None: ...
def tiny_mlp_scratch_size(arg0: int, arg1: Sequence[int], /) -> int: ...
def adam_step(groups: list, beta1: float, beta2: float, eps: float, threads: int) -> None: ...
def photo_consistency(
    arg0: object,
    arg1: object,
    arg2: object,
    arg3: object,
    arg4: object,
    arg5: object,
    arg6: float,
    arg7: float,
    arg8: float,
    arg9: object,
    arg10: object,
    arg11: object,
    arg12: object,
    arg13: int,
    /,
) -> None: ...
def match_planes(
    arg0: object,
    arg1: object,
    arg2: object,
    arg3: object,
    arg4: object,
    arg5: object,
    arg6: object,
    arg7: Sequence[object],
    arg8: Sequence[object],
    arg9: Sequence[float],
    arg10: int,
    arg11: Sequence[int],
    arg12: Sequence[float],
    arg13: int,
    /,
) -> None: ...
def check_consistency(
    arg0: object, arg1: Sequence[object], arg2: Sequence[object], arg3: Sequence[float], arg4: object, arg5: int, /
) -> None: ...
def window_texture(
    arg0: object, arg1: object, arg2: object, arg3: float, arg4: object, arg5: object, arg6: int, /
) -> None: ...
