"""splatkit: from photographs and LiDAR to a mesh (capture, optimize, export).

What is public are the names in `__all__`:

- `rasterization` (as gsplat's users call it), `render_splats`, `Rendering`: images of splats
- `Splats`, `read_splats`, `write_splats`: splats as tensors, and their files
- `FlexiCubes`, `SimplexHashEncoding`: surfaces and encodings as modules of torch
- `Camera`, `PosedCamera`: lenses and poses, in OpenCV's axes
- `make_scene`, `calibrate`, `calibrate_walk`, `capture_images`, `capture_stereo`, `capture_lidar`, `capture_static`,
  `capture_recording`, `train`, `plan_blocks`, `train_blocks`, `merge_blocks`, `export_mesh`, `export_splats`,
  `export_points`, `export_colmap`: the stages, each with its settings
- `load_run`: a trained run by its config.yml

Everything else may change between versions without notice. A name is loaded when it is first asked for: `import
splatkit` loads nothing, not even torch, and only `train`, `load_run` and the exports load nerfstudio.
"""

from typing import TYPE_CHECKING

__version__ = "0.1.0"

__all__ = [
    "CalibrateSettings",
    "Camera",
    "CaptureImagesSettings",
    "CaptureLidarSettings",
    "CaptureRecordingSettings",
    "CaptureStaticSettings",
    "CaptureStereoSettings",
    "Defects",
    "ExportColmapSettings",
    "ExportMeshSettings",
    "ExportPointsSettings",
    "ExportSplatsSettings",
    "FlexiCubes",
    "LidarFaults",
    "MergeBlocksSettings",
    "PlanBlocksSettings",
    "PosedCamera",
    "Rendering",
    "SceneSettings",
    "SimplexHashEncoding",
    "Splats",
    "SurfaceSettings",
    "TextureSettings",
    "TrainBlocksSettings",
    "TrainSettings",
    "WalkSettings",
    "calibrate",
    "calibrate_walk",
    "capture_images",
    "capture_lidar",
    "capture_recording",
    "capture_static",
    "capture_stereo",
    "export_colmap",
    "export_mesh",
    "export_points",
    "export_splats",
    "load_run",
    "make_scene",
    "merge_blocks",
    "plan_blocks",
    "rasterization",
    "read_splats",
    "render_splats",
    "train",
    "train_blocks",
    "write_splats",
]

if TYPE_CHECKING:  # what type checkers and editors see; must agree with _MODULES below
    from splatkit.blocks.merge import merge_blocks
    from splatkit.blocks.plan import plan_blocks
    from splatkit.blocks.settings import MergeBlocksSettings, PlanBlocksSettings, TrainBlocksSettings
    from splatkit.blocks.train import train_blocks
    from splatkit.calibration.settings import CalibrateSettings, WalkSettings
    from splatkit.calibration.stage import calibrate
    from splatkit.calibration.walk.stage import calibrate_walk
    from splatkit.capture.images.settings import CaptureImagesSettings
    from splatkit.capture.images.stage import capture_images
    from splatkit.capture.lidar.settings import CaptureLidarSettings, CaptureStaticSettings
    from splatkit.capture.lidar.stage import capture_lidar, capture_static
    from splatkit.capture.recording.settings import CaptureRecordingSettings
    from splatkit.capture.recording.stage import capture_recording
    from splatkit.capture.stereo.settings import CaptureStereoSettings
    from splatkit.capture.stereo.stage import capture_stereo
    from splatkit.encodings.hash_encoding import SimplexHashEncoding
    from splatkit.export.files.colmap_export import export_colmap
    from splatkit.export.files.point_export import export_points
    from splatkit.export.files.splat_export import export_splats
    from splatkit.export.run_export import export_mesh
    from splatkit.export.settings import (
        ExportColmapSettings,
        ExportMeshSettings,
        ExportPointsSettings,
        ExportSplatsSettings,
    )
    from splatkit.export.surface.settings import SurfaceSettings
    from splatkit.export.texture.settings import TextureSettings
    from splatkit.geometry.camera import Camera, PosedCamera
    from splatkit.isosurface.flexicubes import FlexiCubes
    from splatkit.optimize.load_run import load_run
    from splatkit.optimize.train import train
    from splatkit.optimize.train_settings import TrainSettings
    from splatkit.splatting.rasterization import rasterization
    from splatkit.splatting.rendering import Rendering, render_splats
    from splatkit.splatting.splat_files import read_splats, write_splats
    from splatkit.splatting.splats import Splats
    from splatkit.synthetic.defects import Defects, LidarFaults
    from splatkit.synthetic.settings import SceneSettings
    from splatkit.synthetic.stage import make_scene
else:  # hidden from type checkers, which would take any name for one of ours (PEP 562)
    _MODULES = {
        "CalibrateSettings": "calibration.settings",
        "Camera": "geometry.camera",
        "CaptureImagesSettings": "capture.images.settings",
        "CaptureLidarSettings": "capture.lidar.settings",
        "CaptureRecordingSettings": "capture.recording.settings",
        "CaptureStaticSettings": "capture.lidar.settings",
        "CaptureStereoSettings": "capture.stereo.settings",
        "Defects": "synthetic.defects",
        "ExportColmapSettings": "export.settings",
        "ExportMeshSettings": "export.settings",
        "ExportPointsSettings": "export.settings",
        "ExportSplatsSettings": "export.settings",
        "FlexiCubes": "isosurface.flexicubes",
        "LidarFaults": "synthetic.defects",
        "MergeBlocksSettings": "blocks.settings",
        "PlanBlocksSettings": "blocks.settings",
        "PosedCamera": "geometry.camera",
        "Rendering": "splatting.rendering",
        "SceneSettings": "synthetic.settings",
        "SimplexHashEncoding": "encodings.hash_encoding",
        "Splats": "splatting.splats",
        "SurfaceSettings": "export.surface.settings",
        "TextureSettings": "export.texture.settings",
        "TrainBlocksSettings": "blocks.settings",
        "TrainSettings": "optimize.train_settings",
        "WalkSettings": "calibration.settings",
        "calibrate": "calibration.stage",
        "calibrate_walk": "calibration.walk.stage",
        "capture_images": "capture.images.stage",
        "capture_lidar": "capture.lidar.stage",
        "capture_recording": "capture.recording.stage",
        "capture_static": "capture.lidar.stage",
        "capture_stereo": "capture.stereo.stage",
        "export_colmap": "export.files.colmap_export",
        "export_mesh": "export.run_export",
        "export_points": "export.files.point_export",
        "export_splats": "export.files.splat_export",
        "load_run": "optimize.load_run",
        "make_scene": "synthetic.stage",
        "merge_blocks": "blocks.merge",
        "plan_blocks": "blocks.plan",
        "rasterization": "splatting.rasterization",
        "read_splats": "splatting.splat_files",
        "render_splats": "splatting.rendering",
        "train": "optimize.train",
        "train_blocks": "blocks.train",
        "write_splats": "splatting.splat_files",
    }

    def __getattr__(name: str) -> object:
        if name not in _MODULES:
            raise AttributeError(f"module 'splatkit' has no attribute {name!r}")
        from importlib import import_module

        found = getattr(import_module(f"splatkit.{_MODULES[name]}"), name)
        globals()[name] = found  # asked for once
        return found

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
