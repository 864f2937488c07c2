"""From a trained run to a folder with its mesh and splats, in the frame and scale of the dataset."""

from pathlib import Path

from splatkit.export.mesh_export import write_mesh_export
from splatkit.export.splat_export import check_exportable, splat_values
from splatkit.export.surface import Progress, SurfaceSettings, make_surface
from splatkit.io.meshes import Mesh
from splatkit.optimize.load_run import load_run


def export_run(
    config_path: Path,
    out: Path,
    settings: SurfaceSettings,
    *,
    overwrite: bool = False,
    progress: Progress = lambda steps, _: steps,
) -> Mesh:
    """Fuse the depth that a run renders from its training cameras; write mesh (PLY, OBJ, GLB), splats.ply, export.json.

    Args:
        config_path: the run's config.yml.
        out: folder to make; complete or not there at all.
        settings: of the surface.
        overwrite: replace an existing folder.
        progress: wraps the loop over cameras, to show how far it is.

    Returns:
        The mesh.

    Raises:
        FileNotFoundError, DatasetError, CheckpointError: the run cannot be read.
        FileExistsError: `out` exists and may not be overwritten.
        EmptyMeshError: no surface came out.
    """
    if out.exists() and not overwrite:
        raise FileExistsError(f"{out} exists; choose another folder or pass --overwrite")
    run = load_run(config_path)
    check_exportable(run)
    surface = make_surface(run, settings, progress)
    record = {
        "run": str(config_path),
        "checkpoint": str(run.checkpoint),
        "steps": run.step + 1,
        "dataset": str(run.dataset),
        "surface": surface.record,
    }
    write_mesh_export(
        out,
        surface.mesh,
        frame="that of the dataset's camera poses",
        units="those of the dataset's camera poses",
        record=record,
        splats=splat_values(run.splats),
        overwrite=overwrite,
    )
    return surface.mesh
