"""The stage `capture images`: photographs, a video or given poses to a dataset on disk."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from splatkit.capture.dataset import check_lens
from splatkit.capture.images.dataset import UprightScene, posed_photographs, turn_upright, write_image_dataset
from splatkit.capture.images.disk_space import require_space
from splatkit.capture.images.findings import depth_warnings, figures, find_warnings, gps_warnings, verdict
from splatkit.capture.images.inputs import GatheredImages, ImageInputs, gather_images
from splatkit.capture.images.panoramas.cutting import PanoramaSettings, cut_panoramas
from splatkit.capture.images.rigs.assembling import check_rig_settings, with_rig
from splatkit.capture.images.scene import SceneSettings, Solution, solve_given, solve_unknown, take_given
from splatkit.capture.images.settings import CaptureImagesSettings
from splatkit.capture.images.structure.feature_matching import FeatureSettings
from splatkit.capture.images.structure.pairing import EXHAUSTIVE_UP_TO
from splatkit.capture.provenance import CaptureRecord, write_record
from splatkit.capture.stereo.findings import StereoFindings
from splatkit.capture.stereo.found_stereo import stereo_if_possible
from splatkit.capture.stereo.settings import MOST_POINTS
from splatkit.capture.work_folder import WorkFolder
from splatkit.errors import SettingsError
from splatkit.io.atomic import atomic_directory
from splatkit.progress import Progress, no_progress


@dataclass(frozen=True)
class CapturedImages:
    """What a capture from photographs found."""

    out: Path  # folder of the dataset
    gathered: GatheredImages
    solution: Solution  # in the world of whoever found it
    upright: UprightScene  # the same as it is written
    stereo: StereoFindings | None
    warnings: tuple[str, ...]

    def verdict(self) -> str:
        """One sentence."""
        return verdict(self.gathered, self.solution, self.upright, self.stereo)


def capture_images(
    settings: CaptureImagesSettings,
    progress: Progress = no_progress,
    report: Callable[[Path, CapturedImages], None] = lambda folder, captured: None,
) -> CapturedImages:
    """Gather, solve, write into a temporary folder, then rename it.

    What was found before an interruption is kept beside the output, and the same call resumes there.

    Args:
        settings: see there.
        progress: shows how far it is.
        report: may add files to the folder before it gets its name.

    Raises:
        SettingsError, DatasetError, OSError: something is missing, damaged, contradicts the rest, or the disk is full.
        FileExistsError: `out` exists and may not be overwritten.
        CaptureRefusedError: too few photographs found a place.
    """
    _check(settings)
    with atomic_directory(settings.out, settings.overwrite) as folder:
        work = WorkFolder(settings.out)
        gathered = gather_images(_inputs(settings), work, settings.workers, progress)
        gathered = _rigged(settings, gathered, work, progress)
        if gathered.given is not None and not settings.undistort:
            for known in gathered.given.cameras:
                check_lens(known.posed.camera, known.image)
        require_space(settings.out, gathered, _features(settings))
        solution = _solve(settings, gathered, work, progress)
        upright = turn_upright(solution.scene, gathered, settings.keep_world)
        photographs = posed_photographs(upright, gathered)
        stereo, unmatched = stereo_if_possible(photographs, settings.stereo, MOST_POINTS, work, progress)
        written = write_image_dataset(folder, upright, gathered, stereo, settings.undistort, progress)
        news = (*gps_warnings(upright.gps), *depth_warnings(written), *unmatched)
        warnings = (*find_warnings(gathered, solution), *news)
        captured = CapturedImages(settings.out, gathered, solution, upright, written.stereo, warnings)
        report(folder, captured)
        write_record(folder / "capture.json", _record(settings, captured))
    work.remove()
    return captured


def _check(settings: CaptureImagesSettings) -> None:
    for name in ("longest_side", "features", "workers"):
        if getattr(settings, name) < 1:
            given = getattr(settings, name)
            raise SettingsError(f"--{name.replace('_', '-')}: expected a positive number, got {given}")
    check_rig_settings(settings.rig, settings.calibration, settings.poses, settings.images, settings.frames)
    if settings.poses is None and settings.points != "auto":
        raise SettingsError("--points: without --poses points are always triangulated")


def _inputs(settings: CaptureImagesSettings) -> ImageInputs:
    return ImageInputs(
        images=settings.images,
        poses=settings.poses,
        pose_format=settings.pose_format,
        image_times=settings.image_times,
        intrinsics=settings.intrinsics,
        masks=settings.masks,
        frames=settings.frames,
        interval_s=settings.interval,
    )


def _rigged(
    settings: CaptureImagesSettings, gathered: GatheredImages, work: WorkFolder, progress: Progress
) -> GatheredImages:
    """With cuts for panoramas, or with the rig that the photographs are of."""
    if gathered.given is not None:
        return gathered
    if settings.rig:
        return with_rig(gathered, settings.calibration, settings.image_times)
    panoramas = PanoramaSettings(settings.panoramas, settings.cuts, settings.nadir_deg)
    return cut_panoramas(gathered, panoramas, work, progress)


def _features(settings: CaptureImagesSettings) -> FeatureSettings:
    return FeatureSettings(settings.longest_side, settings.features, settings.seed, settings.workers)


def _solve(settings: CaptureImagesSettings, gathered: GatheredImages, work: WorkFolder, progress: Progress) -> Solution:
    features = _features(settings)
    given = gathered.given
    if given is None:
        if settings.matching == "spatial" and all(file.gps is None for file in gathered.files):
            raise SettingsError("--matching spatial: no photograph says where it was taken; try --matching retrieval")
        in_order = gathered.is_video or (gathered.is_in_order and len(gathered.files) > EXHAUSTIVE_UP_TO)
        scene = SceneSettings(settings.camera_model, settings.cameras, settings.matching, in_order, features)
        stage = work.stage("scene", [gathered.content(), asdict(scene)])
        return solve_unknown(stage, gathered.files, gathered.masks, scene, progress, gathered.rig)
    if settings.points == "given" and given.points is None:
        raise SettingsError(f"--points given: there are none with {settings.poses}")
    if settings.points != "triangulated" and given.points is not None:
        return take_given(given)
    stage = work.stage("scene", [gathered.content(), asdict(features)])
    return solve_given(stage, given.cameras, gathered.masks, features, progress)


def _record(settings: CaptureImagesSettings, captured: CapturedImages) -> CaptureRecord:
    scale = captured.upright.scale(captured.gathered)
    return CaptureRecord(
        command="splatkit capture images",
        settings=asdict(settings),
        sources=captured.gathered.sources,
        scale=scale,
        frame=f"{captured.upright.frame}; {'meters' if scale == 'metric' else 'lengths in units of their own'}",
        figures=figures(captured.gathered, captured.solution, captured.upright, captured.stereo),
        warnings=captured.warnings,
    )
