"""`splatkit capture lidar` and `static`: photographs and scans to a metric dataset."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from splatkit.commands.progress import show_progress
from splatkit.errors import DatasetError, SettingsError
from splatkit.progress import track

if TYPE_CHECKING:  # the command's other parts should start without these
    from numpy.typing import NDArray

    from splatkit.capture.lidar.photographs import Photograph
    from splatkit.capture.lidar.rig import Rig
    from splatkit.io.transforms_json import Transforms


@dataclass(frozen=True)
class Lidar:
    """Make a metric dataset from photographs and the scans of a LiDAR that was carried with the cameras.

    Photographs come with poses (--dataset; made by `splatkit capture images`, say), which are brought into the LiDAR's
    world and to its scale, or without (--images), and then get theirs from the LiDAR's trajectory. Exit code 3 says
    that photographs and scans do not fit together, and why.
    """

    scans: Path
    """Folder of scans (.ply, .pcd, .las, .laz, .bin), or a recording (ROS 1 or 2 bag, MCAP)."""
    calibration: tuple[Path, ...]
    """calibration.json of the cameras; or any JSON with a list `cameras`: name and T_camera_lidar of each, where known
    covariance, and for photographs without poses K, width and height (distortion and model, as calibration.json)."""
    dataset: Path | None = None
    """Photographs with poses: a folder with a transforms.json."""
    images: tuple[Path, ...] = ()
    """Photographs without poses: folders. The name of a camera is a word of the path of its images."""
    trajectory: Path | None = None
    """Path of the LiDAR: lines of time x y z qx qy qz qw (TUM). Without it the LiDAR goes where the cameras go."""
    out: Path = Path("dataset")
    """Folder to make."""
    image_times: Path | None = None
    """CSV with the columns file,time_s, by the cameras' clock; may be left out where the dataset tells it."""
    scan_times: Path | None = None
    """The same for scans whose points and names tell no time, by the LiDAR's clock."""
    time_offset: float | None = None
    """LiDAR's clock minus cameras' clock, s; estimated where the motion shows it."""
    topic: str | None = None
    """Of the point clouds in a recording."""
    voxel: float = 0.02
    """Smallest distance of points in the seed cloud, m."""
    points: int = 500_000
    """Most points in the seed cloud."""
    depth_window: float = 1.0
    """Scans within half of it before and after a photograph go into its depth map, s."""
    min_range: float = 0.5
    """Points nearer to the LiDAR are on the rig itself and not used, m."""
    max_range: float = 200.0
    """Points farther from the LiDAR are not used, m."""
    range_noise: float | None = None
    """Standard deviation of ranges, m; by default what the calibration found."""
    overwrite: bool = False
    """Replace an existing folder."""

    def run(self) -> None:
        """Locate, color, project; write into a temporary folder, then rename it."""
        import numpy as np

        from splatkit.capture.lidar.dataset import PlacedPhotographs, write_lidar_dataset
        from splatkit.capture.lidar.inputs import LidarInputs
        from splatkit.capture.lidar.moving import locate, scene_depths
        from splatkit.capture.lidar.photographs import photographs_of_dataset, photographs_of_folders
        from splatkit.capture.lidar.scans import ScanSource
        from splatkit.capture.times import read_times
        from splatkit.io.atomic import atomic_directory
        from splatkit.io.trajectories import read_trajectory
        from splatkit.pages.capture_lidar import lidar_figures, lidar_report, lidar_verdict

        if (self.dataset is None) == (not self.images):
            raise SettingsError("give either --dataset (photographs with poses) or --images (folders of photographs)")
        _check_positive(voxel=self.voxel, points=self.points, depth_window=self.depth_window, max_range=self.max_range)
        rig = _rig(self.calibration, self.range_noise)
        times = None if self.image_times is None else read_times(self.image_times)
        scan_times = None if self.scan_times is None else read_times(self.scan_times)
        source = ScanSource(self.scans, self.topic, scan_times, (self.min_range, self.max_range))
        source.count()  # a wrong folder or topic is told before hours of work
        trajectory = None if self.trajectory is None else read_trajectory(self.trajectory)
        transforms = None if self.dataset is None else _read_dataset(self.dataset)
        photographs = (
            photographs_of_folders(list(self.images), rig, times)
            if transforms is None
            else photographs_of_dataset(transforms, rig, times)
        )
        inputs = LidarInputs(
            *(photographs, source, rig, trajectory, _triangulated(transforms)),
            time_offset_s=self.time_offset,
            voxel=self.voxel,
            max_points=self.points,
            depth_window_s=self.depth_window,
        )
        files = [*source.files(), *self.calibration]
        files += [path for path in (self.trajectory, self.image_times, self.scan_times) if path is not None]
        with atomic_directory(self.out, self.overwrite) as folder:
            scene = locate(inputs, show_progress)
            placed = PlacedPhotographs(
                scene.photographs,
                scene.T_world_camera,
                scene.seed,
                np.eye(4) if scene.alignment is None else scene.alignment.similarity.matrix(),
                _splits(transforms),
            )
            written = write_lidar_dataset(folder, placed, scene_depths(scene, inputs, show_progress), rig)
            page = lidar_report(folder, scene, written, rig)
            (folder / "report.html").write_text(page.render(), encoding="utf-8")
            frame = "the LiDAR trajectory's world" if trajectory is not None else "the images' world, scaled to meters"
            sources = [*files, *(photo.path for photo in photographs)]
            figures = lidar_figures(scene, written)
            _write_record(folder, "splatkit capture lidar", self, sources, frame, figures, scene.warnings)
        for warning in scene.warnings:
            print(f"mind: {warning}")
        print(f"{self.out}: {lidar_verdict(scene, written)}")


@dataclass(frozen=True)
class Static:
    """Make a metric dataset from one scan and photographs of the place, taken from where the LiDAR stood or around it.

    Each photograph is of a camera of the calibration, as it stood when the scan was taken. Or photographs were taken
    anywhere and have poses (--dataset): then --anchor names those of the rig, which give the others their scale.
    """

    scan: Path
    """File with the scan (.ply, .pcd, .las, .laz, .bin, .pcd.bin)."""
    calibration: tuple[Path, ...]
    """calibration.json of the cameras; or any JSON with a list `cameras`: name and T_camera_lidar of each, where known
    covariance, and for photographs without poses K, width and height (distortion and model, as calibration.json)."""
    images: tuple[Path, ...] = ()
    """Photographs by the rig: folders. The name of a camera is a word of the path of its images."""
    dataset: Path | None = None
    """Photographs with poses: a folder with a transforms.json."""
    anchor: tuple[str, ...] = ()
    """Names of the images in the dataset that the rig took where the scan was taken."""
    out: Path = Path("dataset")
    """Folder to make."""
    voxel: float = 0.02
    """Smallest distance of points in the seed cloud, m."""
    points: int = 500_000
    """Most points in the seed cloud."""
    min_range: float = 0.5
    """Points nearer to the LiDAR are on the rig itself and not used, m."""
    max_range: float = 200.0
    """Points farther from the LiDAR are not used, m."""
    range_noise: float | None = None
    """Standard deviation of ranges, m; by default what the calibration found."""
    overwrite: bool = False
    """Replace an existing folder."""

    def run(self) -> None:
        """Locate, color, project; write into a temporary folder, then rename it."""
        import numpy as np

        from splatkit.capture.lidar.dataset import PlacedPhotographs, write_lidar_dataset
        from splatkit.capture.lidar.photographs import photographs_of_dataset, photographs_of_folders
        from splatkit.capture.lidar.scans import select_points, within_ranges
        from splatkit.capture.lidar.static import StaticInputs, locate_static, static_depths
        from splatkit.io.atomic import atomic_directory
        from splatkit.io.point_clouds import read_point_cloud
        from splatkit.pages.capture_lidar import static_figures, static_report, static_verdict

        if (self.dataset is None) == (not self.images):
            raise SettingsError("give either --images (folders of photographs by the rig) or --dataset with --anchor")
        if (self.dataset is None) != (not self.anchor):
            raise SettingsError("--anchor and --dataset belong together: anchors are images of the dataset")
        _check_positive(voxel=self.voxel, points=self.points, max_range=self.max_range)
        rig = _rig(self.calibration, self.range_noise)
        transforms = None if self.dataset is None else _read_dataset(self.dataset)
        photographs = (
            photographs_of_folders(list(self.images), rig, None)
            if transforms is None
            else photographs_of_dataset(transforms, rig, None)
        )
        scan = read_point_cloud(self.scan)
        used = within_ranges(scan, (self.min_range, self.max_range))
        if not used.any():
            raise DatasetError(f"{self.scan}: no point lies {self.min_range:g} to {self.max_range:g} m from the LiDAR")
        inputs = StaticInputs(
            photographs,
            select_points(scan, used),
            rig,
            _triangulated(transforms),
            _anchors(self.anchor, photographs),
            voxel=self.voxel,
            max_points=self.points,
        )
        with atomic_directory(self.out, self.overwrite) as folder:
            scene = locate_static(inputs, show_progress)
            placed = PlacedPhotographs(
                scene.photographs,
                scene.T_world_camera,
                scene.seed,
                np.eye(4) if scene.alignment is None else scene.alignment.similarity.matrix(),
                _splits(transforms),
            )
            depths = track(static_depths(scene, inputs), "making depth maps", show_progress, len(photographs))
            written = write_lidar_dataset(folder, placed, depths, rig)
            page = static_report(folder, scene, written, rig)
            (folder / "report.html").write_text(page.render(), encoding="utf-8")
            sources = [self.scan, *self.calibration, *(photo.path for photo in photographs)]
            figures = static_figures(scene, written)
            _write_record(folder, "splatkit capture static", self, sources, "the LiDAR's frame", figures, ())
        print(f"{self.out}: {static_verdict(scene, written)}")


def _check_positive(**values: float) -> None:
    for name, value in values.items():
        if not value > 0:
            raise SettingsError(f"--{name.replace('_', '-')}: expected a positive number, got {value}")


def _rig(paths: tuple[Path, ...], range_noise: float | None) -> Rig:
    from dataclasses import replace

    from splatkit.capture.lidar.rig import read_rig

    rig = read_rig(list(paths))
    if range_noise is None:
        return rig
    _check_positive(range_noise=range_noise)
    return replace(rig, range_noise_m=range_noise)


def _read_dataset(path: Path) -> Transforms:
    from splatkit.io.transforms_json import read_transforms

    transforms = read_transforms(path)
    if transforms.missing:
        missing = len(transforms.missing)
        print(f"mind: {missing} listed images do not exist and are left out, e.g. {transforms.missing[0]}")
    return transforms


def _triangulated(transforms: Transforms | None) -> tuple[NDArray[Any], NDArray[Any]] | None:
    import numpy as np

    from splatkit.io.point_clouds import read_point_cloud

    if transforms is None or transforms.ply_path is None:
        return None
    cloud = read_point_cloud(transforms.ply_path)
    colors = np.full(cloud.points.shape, 128, np.uint8) if cloud.colors is None else cloud.colors
    return cloud.points.astype(np.float64), colors


def _splits(transforms: Transforms | None) -> dict[str, tuple[str, ...]]:
    from splatkit.capture.conventions import name_below_images

    splits = {} if transforms is None else transforms.splits
    return {split: tuple(name_below_images(path) for path in paths) for split, paths in splits.items()}


def _anchors(names: tuple[str, ...], photographs: list[Photograph]) -> tuple[int, ...]:
    known = {photo.name: number for number, photo in enumerate(photographs)}
    known |= {Path(photo.name).name: number for number, photo in enumerate(photographs)}
    if unknown := [name for name in names if name not in known]:
        raise DatasetError(f"--anchor: {unknown[0]} is no image of the dataset")
    return tuple(known[name] for name in names)


def _write_record(
    folder: Path,
    command: str,
    settings: Lidar | Static,
    sources: list[Path],
    frame: str,
    figures: dict[str, Any],
    warnings: tuple[str, ...],
) -> None:
    from splatkit.capture.provenance import CaptureRecord, write_record
    from splatkit.io.provenance import hash_files

    record = CaptureRecord(
        command=command,
        settings=asdict(settings),
        sources=hash_files(sources),
        scale="metric",
        frame=f"meters, right-handed, {frame}",
        figures=figures,
        warnings=warnings,
    )
    write_record(folder / "capture.json", record)
