"""What an export is made of: a trained run, or a dataset whose depths were measured; and its surface."""

from pathlib import Path

from splatkit.export.surface.make_surface import Surface, make_surface
from splatkit.export.surface.settings import SurfaceSettings
from splatkit.io.transforms_json import read_seed_cloud, read_transforms
from splatkit.progress import Progress
from splatkit.runs.dataset_run import load_dataset_run
from splatkit.runs.views import Run


def open_run(load_config: Path | None, dataset: Path | None) -> Run:
    """Read the one of the two that is named; see `load_run` and `load_dataset_run` for what is raised."""
    if load_config is None:
        assert dataset is not None  # settings say one of the two
        return load_dataset_run(dataset)
    from splatkit.optimize.load_run import load_run  # takes seconds, and datasets do without

    return load_run(load_config)


def surface_of(run: Run, settings: SurfaceSettings, progress: Progress) -> Surface:
    """Its surface; the dataset's cloud is read where the settings need it. See `make_surface` for what is raised."""
    if settings.max_distance_from_points is None:
        return make_surface(run, settings, progress)
    cloud = read_seed_cloud(read_transforms(run.dataset))
    return make_surface(run, settings, progress, None if cloud is None else cloud.points)
