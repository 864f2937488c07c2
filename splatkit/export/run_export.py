"""From a trained run or a dataset to a folder with its mesh and splats, in the dataset's frame or a normalized one."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splatkit.export.files.frames import ExportFrame, export_frame, read_georeference
from splatkit.export.files.mesh_export import write_mesh_export
from splatkit.export.files.splat_export import splats_for_files, splats_in_frame
from splatkit.export.held_out import Comparison, compare_with_photographs, no_comparison
from splatkit.export.objects.cutting import cut_object, describe_object, object_verdict
from splatkit.export.open_run import open_run, surface_of
from splatkit.export.settings import ExportMeshSettings
from splatkit.export.texture.photographs import check_photographs
from splatkit.export.texture.texturing import color_mesh
from splatkit.export.timing import StepTimer
from splatkit.io.mesh import Mesh
from splatkit.io.meshes import require_writer
from splatkit.io.provenance import hash_files
from splatkit.io.splats import SplatArrays
from splatkit.io.transforms_json import pose_files
from splatkit.ops import native_threads_only
from splatkit.progress import Progress, no_progress
from splatkit.runs.trained_run import TrainedRun
from splatkit.runs.views import LearnedRun, Run, view_centers
from splatkit.splatting.splat_files import splats_as_arrays

_SHOWN_VIEWS = 4
_ALIKE = 0.05  # share by which measured depths may differ from rendered ones, in the median


@dataclass(frozen=True)
class MeshExport:
    """What an export found, for those who show it."""

    out: Path  # folder of the export
    mesh: Mesh  # in the frame of the export
    frame: ExportFrame
    viewpoints: NDArray[np.floating]  # [C, 3] of the photographs, in the same frame
    comparison: Comparison | None  # with photographs; None for a mesh without colors
    record: dict[str, Any] = field(repr=False)  # export.json

    @property
    def verdict(self) -> str:
        """How good the mesh is and where it is bad, in one line."""
        return str(self.record["held_out"]["verdict"])

    @property
    def object_verdict(self) -> str | None:
        """How large an object is that was cut out, in one line; None where none was."""
        found = self.record.get("object")
        return None if found is None else object_verdict(found)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a user should know."""
        local = self.record.get("local_files", [])
        found = [f"{', '.join(local)}: {self.frame.local_warning}"] if local else []
        ratios = [step.get("measured_over_rendered") for step in self.record["surface"]["steps"]]
        for ratio in ratios:
            if ratio is None or abs(ratio - 1) <= _ALIKE:
                continue
            found.append(
                f"the dataset's depth maps are {ratio:.3g} times as deep as what the run renders: if that is not so, "
                "their unit (depth_unit_scale_factor) is wrong; --surface rendered leaves them out"
            )
        return tuple(found)


@native_threads_only()
def export_mesh(
    settings: ExportMeshSettings,
    progress: Progress = no_progress,
    report: Callable[[Path, MeshExport], None] = lambda folder, export: None,
) -> MeshExport:
    """Make the surface of a run, color it by its photographs, and write mesh, splats.ply and export.json.

    Args:
        settings: see there.
        progress: shows how many cameras and photographs are done.
        report: may add files to the folder before it gets its name, unless the settings leave them out.

    Raises:
        FileNotFoundError, DatasetError, CheckpointError: the run, or a photograph of it, cannot be read, or what writes
            a format is not installed.
        FileExistsError: `out` exists and may not be overwritten.
        EmptyMeshError: no surface came out.
        RefusedError: an object is asked for, and none stands on a support that cameras look at from around.
    """
    if settings.out.exists() and not settings.overwrite:
        raise FileExistsError(f"{settings.out} exists; choose another folder or pass --overwrite")
    for name in settings.formats:
        require_writer(settings.out / f"mesh.{name}")
    timer = StepTimer()
    with timer.step("loading"):
        run = open_run(settings.load_config, settings.dataset)
        check_photographs([*run.train_views, *run.eval_views])
        read_georeference(run.dataset, settings.georeference)  # what is wrong with it should be said now
    with timer.step("surface"):
        found = surface_of(run, settings.surface_to_wrap(), progress)
    shape, cut = found.mesh, None
    if settings.object:
        with timer.step("object"):
            cut = cut_object(found.mesh, [view.photographed for view in run.train_views])
            shape = cut.mesh
    with timer.step("colors"):
        colored = color_mesh(shape, run.train_views, settings.texture, progress)
    with timer.step("held-out views"):
        comparison = _compare(colored.mesh, run, progress)
    frame = export_frame(settings.frame, shape.vertices, run.dataset, settings.georeference)
    record = {
        **provenance(settings.load_config, run),
        **frame.record(),
        "surface": found.record,
        "texture": colored.record,
        "held_out": no_comparison() if comparison is None else comparison.record(),
        "seconds": timer.seconds,
    }
    mesh = frame.apply_to_mesh(colored.mesh)
    if cut is not None:
        record["object"] = {**describe_object(mesh, frame.units), **cut.record}
    viewpoints = frame.apply(view_centers(run.train_views))

    def export_of(record: dict[str, Any]) -> MeshExport:
        return MeshExport(settings.out, mesh, frame, viewpoints, comparison, record)

    written = write_mesh_export(
        settings.out,
        mesh,
        settings.formats,
        frame=frame,
        record=record,
        splats=None if settings.no_splats else _splats(run, frame),
        overwrite=settings.overwrite,
        more=lambda folder, record: report(folder, export_of(record)),
    )
    return export_of(written)


def provenance(config_path: Path | None, run: Run) -> dict[str, Any]:
    """What an export was made from, with hashes."""
    dataset = pose_files(run.dataset) if run.dataset.is_dir() else [run.dataset]
    trained = [] if config_path is None or not isinstance(run, LearnedRun) else [config_path, run.checkpoint]
    of_run: dict[str, Any] = {}
    if isinstance(run, LearnedRun):
        of_run = {"run": str(config_path), "checkpoint": str(run.checkpoint), "steps": run.step + 1}
    return {
        **of_run,
        "dataset": str(run.dataset),
        "sources": [vars(source) for source in hash_files([path for path in (*trained, *dataset) if path.is_file()])],
    }


def _compare(mesh: Mesh, run: Run, progress: Progress) -> Comparison | None:
    if mesh.texture is None and mesh.vertex_colors is None:
        return None
    return compare_with_photographs(mesh, run.eval_views, run.train_views, _SHOWN_VIEWS, progress)


def _splats(run: Run, frame: ExportFrame) -> SplatArrays | None:
    return (
        splats_as_arrays(splats_in_frame(splats_for_files(run).splats, frame)) if isinstance(run, TrainedRun) else None
    )
