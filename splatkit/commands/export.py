"""`splatkit export`: a trained run, or the dataset it was made from, as files that other programs read."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from splatkit.commands.terminal import print_warnings, say, show_progress
from splatkit.export.settings import (
    ExportColmapSettings,
    ExportMeshSettings,
    ExportPointsSettings,
    ExportSplatsSettings,
)


@dataclass(frozen=True)
class Export:
    """Turn a trained run into files that other programs read."""

    what: (
        Annotated[ExportMeshSettings, tyro.conf.subcommand("mesh", prefix_name=False)]
        | Annotated[ExportSplatsSettings, tyro.conf.subcommand("splats", prefix_name=False)]
        | Annotated[ExportPointsSettings, tyro.conf.subcommand("points", prefix_name=False)]
        | Annotated[ExportColmapSettings, tyro.conf.subcommand("colmap", prefix_name=False)]
    )


def run_export_mesh(settings: ExportMeshSettings) -> None:
    """Export the mesh, with its report and turntable; say how large it is, how good, and where it is bad."""
    from splatkit.export.run_export import MeshExport, export_mesh
    from splatkit.pages.mesh import write_mesh_pages

    def report(folder: Path, export: MeshExport) -> None:
        write_mesh_pages(folder, export, not settings.no_report, not settings.no_turntable, show_progress)

    done = export_mesh(settings, show_progress, report)
    say(f"{settings.out}: {len(done.mesh.vertices)} vertices, {len(done.mesh.faces)} faces")
    if done.object_verdict is not None:
        say(done.object_verdict)
    say(done.verdict)
    print_warnings(done.warnings)


def run_export_splats(settings: ExportSplatsSettings) -> None:
    """Export the splats; say what the file costs in quality."""
    from splatkit.export.files.splat_export import export_splats

    done = export_splats(settings)
    say(f"{done.path}: {done.count} splats ({done.dropped} left out), {done.size / 1e6:.3f} MB")
    print_warnings(done.warnings)
    say(f"held-out views: {done.psnr_of_run:.2f} dB as trained, {done.psnr_of_file:.2f} dB from the file")


def run_export_points(settings: ExportPointsSettings) -> None:
    """Export the points; say how many there are and in what units."""
    from splatkit.export.files.point_export import export_points

    done = export_points(settings, show_progress)
    say(f"{done.path}: {done.count} points in {done.units}, {done.seen_share:.0%} colored by photographs")


def run_export_colmap(settings: ExportColmapSettings) -> None:
    """Export the model; say what is in it."""
    from splatkit.export.files.colmap_export import export_colmap

    done = export_colmap(settings)
    if done.unfit:
        alike = "their cameras do not lie to each other alike in all frames"
        print_warnings([f"{done.unfit} rigs are written as single cameras: {alike}"])
    rigs = f", rigs: {done.rigs}" if done.rigs else ""
    say(f"{settings.out}: cameras: {done.cameras}, images: {done.images}{rigs}, points: {done.points}")
