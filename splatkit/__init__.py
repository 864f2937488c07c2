"""splatkit: from photographs and LiDAR to a mesh (capture, optimize, export).

What is public are the names in `__all__`:

- `rasterization` (as gsplat's users call it), `render_splats`, `Rendering`: images of splats
- `Splats`, `read_splats`, `write_splats`: splats as tensors, and their files
- `FlexiCubes`, `SimplexHashEncoding`: surfaces and encodings as modules of torch
- `Camera`, `PosedCamera`: lenses and poses, in OpenCV's axes
- `capture_images`, `capture_lidar`, `capture_stereo`, `calibrate`, `train`, `export_mesh`: the stages, each with its
  settings
- `load_run`: a trained run by its config.yml

Everything else may change between versions without notice. A name is loaded when it is first asked for: `import
splatkit` loads nothing, not even torch, and only `train`, `load_run` and `export_mesh` load nerfstudio.
"""

from typing import TYPE_CHECKING

__version__ = "0.1.0"

__all__ = [
    "CalibrateSettings",
    "Camera",
    "CaptureImagesSettings",
    "CaptureLidarSettings",
    "CaptureStereoSettings",
    "ExportMeshSettings",
    "FlexiCubes",
    "PosedCamera",
    "Rendering",
    "SimplexHashEncoding",
    "Splats",
    "TrainSettings",
    "calibrate",
    "capture_images",
    "capture_lidar",
    "capture_stereo",
    "export_mesh",
    "load_run",
    "rasterization",
    "read_splats",
    "render_splats",
    "train",
    "write_splats",
]

if TYPE_CHECKING:  # what type checkers and editors see; must agree with _MODULES below
    from splatkit.calibration.settings import CalibrateSettings
    from splatkit.calibration.stage import calibrate
    from splatkit.capture.images.settings import CaptureImagesSettings
    from splatkit.capture.images.stage import capture_images
    from splatkit.capture.lidar.settings import CaptureLidarSettings
    from splatkit.capture.lidar.stage import capture_lidar
    from splatkit.capture.stereo.settings import CaptureStereoSettings
    from splatkit.capture.stereo.stage import capture_stereo
    from splatkit.encodings.hash_encoding import SimplexHashEncoding
    from splatkit.export.run_export import export_mesh
    from splatkit.export.settings import ExportMeshSettings
    from splatkit.geometry.camera import Camera, PosedCamera
    from splatkit.isosurface.flexicubes import FlexiCubes
    from splatkit.optimize.load_run import load_run
    from splatkit.optimize.train import train
    from splatkit.optimize.train_settings import TrainSettings
    from splatkit.splatting.rasterization import rasterization
    from splatkit.splatting.rendering import Rendering, render_splats
    from splatkit.splatting.splat_files import read_splats, write_splats
    from splatkit.splatting.splats import Splats
else:  # hidden from type checkers, which would take any name for one of ours (PEP 562)
    _MODULES = {
        "CalibrateSettings": "calibration.settings",
        "Camera": "geometry.camera",
        "CaptureImagesSettings": "capture.images.settings",
        "CaptureLidarSettings": "capture.lidar.settings",
        "CaptureStereoSettings": "capture.stereo.settings",
        "ExportMeshSettings": "export.settings",
        "FlexiCubes": "isosurface.flexicubes",
        "PosedCamera": "geometry.camera",
        "Rendering": "splatting.rendering",
        "SimplexHashEncoding": "encodings.hash_encoding",
        "Splats": "splatting.splats",
        "TrainSettings": "optimize.train_settings",
        "calibrate": "calibration.stage",
        "capture_images": "capture.images.stage",
        "capture_lidar": "capture.lidar.stage",
        "capture_stereo": "capture.stereo.stage",
        "export_mesh": "export.run_export",
        "load_run": "optimize.load_run",
        "rasterization": "splatting.rasterization",
        "read_splats": "splatting.splat_files",
        "render_splats": "splatting.rendering",
        "train": "optimize.train",
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
