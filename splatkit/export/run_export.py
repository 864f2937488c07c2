"""From a trained run to a folder with its mesh and splats, in the frame and scale of the dataset."""

from collections.abc import Callable, Iterable
from pathlib import Path

import torch

from splatkit.export.fusion import FusionSettings, fuse_depths
from splatkit.export.mesh_export import write_mesh_export
from splatkit.export.splat_export import check_exportable, splat_values
from splatkit.io.meshes import Mesh
from splatkit.optimize.load_run import TrainedRun, load_run

Progress = Callable[[Iterable[int], str], Iterable[int]]


def export_run(
    config_path: Path,
    out: Path,
    settings: FusionSettings,
    *,
    overwrite: bool = False,
    progress: Progress = lambda steps, _: steps,
) -> Mesh:
    """Fuse the depth that a run renders from its training cameras; write mesh (PLY, OBJ, GLB), splats.ply, export.json.

    Args:
        config_path: the run's config.yml.
        out: folder to make; complete or not there at all.
        settings: of the fusion.
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
    mesh = mesh_of_run(run, settings, progress)
    record = {
        "run": str(config_path),
        "checkpoint": str(run.checkpoint),
        "steps": run.step + 1,
        "dataset": str(run.dataset),
        "views": len(run.train_cameras),
        "fusion": vars(settings),
    }
    write_mesh_export(
        out,
        mesh,
        frame="that of the dataset's camera poses",
        units="those of the dataset's camera poses",
        record=record,
        splats=splat_values(run.splats),
        overwrite=overwrite,
    )
    return mesh


def mesh_of_run(run: TrainedRun, settings: FusionSettings, progress: Progress = lambda steps, _: steps) -> Mesh:
    """The surface that a run's training cameras see. Images of different sizes are rendered at the first one's."""
    cameras = run.train_cameras
    width, height = cameras.sizes[0].tolist()
    scales = cameras.sizes.new_tensor([[width, height]]) / cameras.sizes
    Ks = cameras.Ks.clone()
    Ks[:, :2] *= scales.to(Ks)[:, :, None]
    colors, depths, alphas = [], [], []
    for index in progress(range(len(cameras)), "rendering depth"):
        # Median depths do not float between a near and a far surface at the edge of the near one.
        rendering = run.render(cameras.viewmats[index], Ks[index], width, height, ("median_depths",))
        alpha = rendering.alphas[0, ..., 0]
        colors.append((rendering.colors[0] / alpha.clamp_min(1e-6)[..., None]).clamp(0, 1))
        assert rendering.median_depths is not None  # asked for
        depths.append(rendering.median_depths[0, ..., 0])
        alphas.append(alpha)
    return fuse_depths(torch.stack(depths), torch.stack(colors), torch.stack(alphas), cameras.viewmats, Ks, settings)
