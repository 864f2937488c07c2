"""`splatkit capture images`: photographs, a video or given poses to a dataset."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from splatkit.commands.progress import show_progress
from splatkit.errors import SettingsError

if TYPE_CHECKING:  # the command's other parts should start without these
    from splatkit.capture.images.inputs import GatheredImages
    from splatkit.capture.images.scene import Solution
    from splatkit.capture.images.work_folder import WorkFolder


@dataclass(frozen=True)
class Images:
    """Make a dataset from photographs alone, from a video, or from photographs whose poses another program found.

    Without --poses COLMAP finds cameras and points; their scale is arbitrary then. Interrupt it at any moment: the same
    command goes on. Exit code 3 says that too few photographs found their place, and what to do.
    """

    images: Path | None = None
    """Folder of photographs, or a video. Not needed where --poses leads to them."""
    out: Path = Path("dataset")
    """Folder to make."""
    poses: Path | None = None
    """Poses that are known: a transforms.json, a COLMAP model (binary or text), Polycam's raw data, a recording of
    Record3D, or a trajectory of the camera (lines of time x y z qx qy qz qw)."""
    pose_format: Literal["auto", "colmap", "transforms", "polycam", "record3d", "tum"] = "auto"
    """By default what the files look like."""
    image_times: Path | None = None
    """For a trajectory: CSV with the columns file,time_s; without it the names of images are times."""
    intrinsics: Path | None = None
    """For a trajectory: YAML or JSON of the camera (ROS camera_info, OpenCV, or K, D, width, height)."""
    masks: Path | None = None
    """Folder of masks, NAME.png or the photograph's own name: what is black does not count."""
    frames: int | None = None
    """Choose about so many frames, the sharpest of each stretch; of a video 150 by default, of a folder all."""
    interval: float | None = None
    """For a video: choose one frame of each stretch of so many seconds."""
    points: Literal["auto", "given", "triangulated"] = "auto"
    """With --poses: take the points that came with them, or triangulate new ones; auto prefers given ones."""
    camera_model: Literal["OPENCV", "OPENCV_FISHEYE", "SIMPLE_RADIAL", "RADIAL", "PINHOLE", "SIMPLE_PINHOLE"] = "OPENCV"
    """Of the lenses, where they are not given."""
    cameras: Literal["size", "folder", "image"] = "size"
    """Which photographs share a lens: those of one size, of one size and folder, or none."""
    matching: Literal["auto", "exhaustive", "sequential"] = "auto"
    """All with all, or neighbors in the order of names; auto: the former for up to 80 photographs, not of a video."""
    longest_side: int = 1600
    """Photographs are reduced to it before features are searched, px."""
    features: int = 8192
    """At most so many in a photograph."""
    undistort: bool = False
    """Write pinhole images instead of the originals with their lens; needed by programs that know no lenses."""
    keep_world: bool = False
    """Do not turn the world so that z is up."""
    seed: int = 0
    """Of random samples."""
    workers: int = max(os.cpu_count() or 1, 1)
    """Threads. With 1 the same photographs give the same bits."""
    overwrite: bool = False
    """Replace an existing folder."""

    def run(self) -> None:
        """Gather, solve, write into a temporary folder, then rename it."""
        from splatkit.capture.images.dataset import turn_upright, write_image_dataset
        from splatkit.capture.images.inputs import ImageInputs, gather_images
        from splatkit.capture.images.work_folder import WorkFolder
        from splatkit.capture.provenance import CaptureRecord, write_record
        from splatkit.io.atomic import atomic_directory
        from splatkit.pages.capture_images import figures, image_report, verdict, warnings

        self._check()
        with atomic_directory(self.out, self.overwrite) as folder:
            work = WorkFolder(self.out)
            inputs = ImageInputs(
                *(self.images, self.poses, self.pose_format, self.image_times, self.intrinsics, self.masks),
                frames=self.frames,
                interval_s=self.interval,
            )
            gathered = gather_images(inputs, work, self.workers, show_progress)
            solution = self._solve(gathered, work)
            upright = turn_upright(solution.scene, gathered, self.keep_world)
            written = write_image_dataset(folder, upright, gathered, self.undistort, show_progress)
            notes = warnings(gathered, solution, written)
            page = image_report(upright, gathered, solution, notes)
            (folder / "report.html").write_text(page.render(), encoding="utf-8")
            scale = "arbitrary" if gathered.given is None else gathered.given.scale
            record = CaptureRecord(
                command="splatkit capture images",
                settings=asdict(self),
                sources=gathered.sources,
                scale=scale,
                frame=f"{upright.frame}; {'meters' if scale == 'metric' else 'lengths in units of their own'}",
                figures=figures(gathered, solution),
                warnings=notes,
            )
            write_record(folder / "capture.json", record)
        work.remove()
        for note in notes:
            print(f"mind: {note}")
        print(f"{self.out}: {verdict(gathered, solution)}")

    def _check(self) -> None:
        for name, value in (
            ("longest-side", self.longest_side),
            ("features", self.features),
            ("workers", self.workers),
        ):
            if value < 1:
                raise SettingsError(f"--{name}: expected a positive number, got {value}")
        if self.poses is None and self.points != "auto":
            raise SettingsError("--points: without --poses points are always triangulated")

    def _solve(self, gathered: GatheredImages, work: WorkFolder) -> Solution:
        from splatkit.capture.images.feature_matching import FeatureSettings
        from splatkit.capture.images.scene import SceneSettings, solve_given, solve_unknown, take_given

        features = FeatureSettings(self.longest_side, self.features, self.seed, self.workers)
        given = gathered.given
        if given is None:
            in_order = self.matching == "auto" and gathered.is_video
            settings = SceneSettings(
                self.camera_model, self.cameras, "sequential" if in_order else self.matching, features
            )
            stage = work.stage("scene", [gathered.content(), asdict(settings)])
            return solve_unknown(stage, gathered.files, gathered.masks, settings, show_progress)
        if self.points == "given" and given.points is None:
            raise SettingsError(f"--points given: there are none with {self.poses}")
        if self.points != "triangulated" and given.points is not None:
            return take_given(given)
        stage = work.stage("scene", [gathered.content(), asdict(features)])
        return solve_given(stage, given.cameras, gathered.masks, features, show_progress)
