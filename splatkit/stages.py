"""The stages of the toolkit: one command each, and one table each of a pipeline's file.

Training is a stage too, but its command is nerfstudio's (`ns-train`); see `splatkit.optimize.train`. Training in blocks
has three commands, and the key `blocks` in the table of training.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from splatkit.blocks.settings import MergeBlocksSettings, PlanBlocksSettings, TrainBlocksSettings
from splatkit.calibration.settings import CalibrateSettings, WalkSettings
from splatkit.capture.images.settings import CaptureImagesSettings
from splatkit.capture.lidar.settings import CaptureLidarSettings, CaptureStaticSettings
from splatkit.capture.recording.settings import CaptureRecordingSettings
from splatkit.capture.stereo.settings import CaptureStereoSettings
from splatkit.export.settings import (
    ExportColmapSettings,
    ExportMeshSettings,
    ExportPointsSettings,
    ExportSplatsSettings,
)
from splatkit.synthetic.settings import SceneSettings


@dataclass(frozen=True)
class Stage:
    """One of them."""

    name: str  # of its table, as "capture.lidar"
    words: tuple[str, ...]  # of its command, behind `splatkit`
    settings: type
    function: str  # that does it, as "module:name" in splatkit; imported when asked for, which may take seconds

    def load(self) -> Callable[..., Any]:
        """The function; its first argument is the settings."""
        module, name = self.function.split(":")
        found: Callable[..., Any] = getattr(import_module(f"splatkit.{module}"), name)
        return found


STAGES = {
    stage.name: stage
    for stage in (
        Stage("scene", ("scene",), SceneSettings, "synthetic.stage:make_scene"),
        Stage("calibrate", ("calibrate", "run"), CalibrateSettings, "calibration.stage:calibrate"),
        Stage("calibrate.walk", ("calibrate", "walk"), WalkSettings, "calibration.walk.stage:calibrate_walk"),
        Stage(
            "capture.recording",
            ("capture", "recording"),
            CaptureRecordingSettings,
            "capture.recording.stage:capture_recording",
        ),
        Stage("capture.images", ("capture", "images"), CaptureImagesSettings, "capture.images.stage:capture_images"),
        Stage("capture.lidar", ("capture", "lidar"), CaptureLidarSettings, "capture.lidar.stage:capture_lidar"),
        Stage("capture.static", ("capture", "static"), CaptureStaticSettings, "capture.lidar.stage:capture_static"),
        Stage("capture.stereo", ("capture", "stereo"), CaptureStereoSettings, "capture.stereo.stage:capture_stereo"),
        Stage("blocks.plan", ("blocks", "plan"), PlanBlocksSettings, "blocks.plan:plan_blocks"),
        Stage("blocks.train", ("blocks", "train"), TrainBlocksSettings, "blocks.train:train_blocks"),
        Stage("blocks.merge", ("blocks", "merge"), MergeBlocksSettings, "blocks.merge:merge_blocks"),
        Stage("export.mesh", ("export", "mesh"), ExportMeshSettings, "export.run_export:export_mesh"),
        Stage("export.splats", ("export", "splats"), ExportSplatsSettings, "export.files.splat_export:export_splats"),
        Stage("export.points", ("export", "points"), ExportPointsSettings, "export.files.point_export:export_points"),
        Stage("export.colmap", ("export", "colmap"), ExportColmapSettings, "export.files.colmap_export:export_colmap"),
    )
}
