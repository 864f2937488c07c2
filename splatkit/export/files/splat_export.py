"""A trained run's splats as one file for viewers, small where that is wanted, with what the file costs in quality."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from splatkit.export.files.frames import ExportFrame, export_frame
from splatkit.export.settings import ExportSplatsSettings
from splatkit.io.splat_formats.formats import (
    SplatNotes,
    endings,
    read_splat_file,
    size_of,
    splat_format,
    write_splat_file,
)
from splatkit.memory import require_memory
from splatkit.optimize.load_run import load_splat_run
from splatkit.runs.trained_run import TrainedRun, evaluate, mean_scores
from splatkit.runs.views import intrinsics_of, viewmat_of
from splatkit.splatting.kernels.generalized_exponential import GeneralizedExponential
from splatkit.splatting.kernels.table import profile_named
from splatkit.splatting.rendering import render_splats
from splatkit.splatting.splat_files import splats_as_arrays, splats_from_arrays
from splatkit.splatting.splats import Splats

NEAREST_GAUSSIANS = "files have no room for the kernel {kernel}: they hold the Gaussians nearest to these splats"
BYTES_PER_SPLAT = 1500  # beside the run's own, of harmonics of degree 3, at most: measured by the family export_files


@dataclass(frozen=True)
class SplatExport:
    """What was written, and what the held-out views lost by it."""

    path: Path
    count: int
    dropped: int  # splats left out because they contribute too little
    size: int  # bytes
    warnings: tuple[str, ...]
    psnr_of_run: float  # dB, mean over the held-out views
    psnr_of_file: float  # dB, of what our reader makes of the file


def export_splats(settings: ExportSplatsSettings) -> SplatExport:
    """Write a run's splats, read them back and compare the held-out views.

    Raises:
        FileNotFoundError, DatasetError, CheckpointError: the run cannot be read.
        FileExistsError: `out` exists and may not be overwritten.
        ValueError: splats are not written with such an ending, or no splat contributes enough.
    """
    out = settings.out
    if splat_format(out) is None:
        raise ValueError(f"{out}: splats are written as {endings()}; choose a name with such an ending")
    if out.exists() and not settings.overwrite:
        raise FileExistsError(f"{out} exists; choose another name or pass --overwrite")
    run = load_splat_run(settings.load_config)
    require_memory(f"writing {len(run.splats)} splats", len(run.splats) * BYTES_PER_SPLAT)
    keep = torch.ones(len(run.splats), dtype=torch.bool)
    least = settings.min_contribution
    if least > 0:
        keep = largest_contributions(run) >= least
        if not keep.any():
            raise ValueError(f"min_contribution: no splat adds {least:g} px to any view; choose a lower one")
    frame = export_frame(
        settings.frame, run.on_surfaces.splats.means.detach().numpy(), run.dataset, settings.georeference
    )
    shown, warnings = splats_for_files(run), []
    if shown is not run:
        warnings.append(NEAREST_GAUSSIANS.format(kernel=run.kernel))
    if frame.is_local:
        warnings.append(f"{out.name}: {frame.local_warning}")
    values = splats_as_arrays(splats_in_frame(shown.splats.select(keep), frame), settings.viewer_degree)
    antialiased = run.rasterize_mode == "antialiased"
    lost = write_splat_file(out, values, SplatNotes(frame.comments(), antialiased, settings.palette_size))
    if lost:
        warnings.append(f"{out.name} has no room for {'; '.join(lost)}")
    written = read_splat_file(out)
    found = splats_of_frame(splats_from_arrays(written), frame)
    of_file = replace(shown, splats=found, sh_degree=min(shown.sh_degree, found.sh_degree))
    return SplatExport(
        path=out,
        count=len(written.means),
        dropped=int((~keep).sum()),
        size=size_of(out),
        warnings=tuple(warnings),
        psnr_of_run=mean_scores(evaluate(run))[0],
        psnr_of_file=mean_scores(evaluate(of_file))[0],
    )


def splats_for_files(run: TrainedRun) -> TrainedRun:
    """The run itself where files hold splats of its kernel, or else with the Gaussians nearest to its splats."""
    profile = profile_named(run.kernel)
    if profile.has_files:
        return run
    scales, opacities = profile.nearest_gaussian(run.splats.betas)
    gaussians = replace(
        run.splats,
        scales=run.splats.scales * scales[:, None],
        opacities=run.splats.opacities * opacities,
        betas=torch.full_like(run.splats.betas, 2.0),
    )
    return replace(run, splats=gaussians, kernel=GeneralizedExponential.name)


def largest_contributions(run: TrainedRun) -> Tensor:
    """How much of the image each splat [N] makes up, px, in the training view where that is most: [N].

    The sum over pixels of its share in their color, by differentiating an image in which every splat has a color of
    its own.
    """
    s = run.splats
    largest = torch.zeros(len(s))
    for view in run.train_views:
        share = torch.ones(len(s), 1, requires_grad=True)
        viewmat, K = viewmat_of(view.posed), intrinsics_of(view.rendered)
        rendering = render_splats(
            s.means,
            s.quats,
            s.scales,
            s.opacities,
            s.betas,
            share,
            viewmat[None],
            K[None],
            view.rendered.width,
            view.rendered.height,
            rasterize_mode=run.rasterize_mode,
            kernel=run.kernel,
        )
        (gradient,) = torch.autograd.grad(rendering.colors.sum(), share)
        largest = torch.maximum(largest, gradient[:, 0])
    return largest


def splats_in_frame(splats: Splats, frame: ExportFrame) -> Splats:
    """Splats of the dataset's frame in that of the export, which is turned nowhere: colors stay what they are."""
    if frame.name == "input":
        return splats
    center = splats.means.new_tensor(frame.center)
    return replace(splats, means=(splats.means - center) * frame.scale, scales=splats.scales * frame.scale)


def splats_of_frame(splats: Splats, frame: ExportFrame) -> Splats:
    """The way back."""
    center = splats.means.new_tensor(frame.center)
    return replace(splats, means=splats.means / frame.scale + center, scales=splats.scales / frame.scale)
