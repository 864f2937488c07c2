"""What is exactly known of a generated scene, to judge a pipeline that began with one."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from splatkit.evaluation.geometry import SurfaceDistances, compare_surfaces, visible_sample
from splatkit.geometry.se3 import twist_between
from splatkit.io.mesh import Mesh
from splatkit.io.meshes import read_mesh
from splatkit.pipeline.config import Pipeline
from splatkit.runs.views import RunView, view_centers

_TAU_M, _TAU_OF_DIAGONAL = 0.05, 1 / 200  # the smaller one
_KEEPS_FRAME = "capture.stereo"  # of the dataset that it takes
_FARTHEST_M = 30.0  # by default: hills farther from the cameras are scenery


@dataclass(frozen=True)
class SceneTruth:
    """The folder `truth` of a generated scene."""

    folder: Path

    @staticmethod
    def of(pipeline: Pipeline) -> "SceneTruth | None":
        """Of the scene that a pipeline generated, if its products keep the scene's frame."""
        scene = pipeline.find("scene")
        captured = [step for step in pipeline.steps if step.name.startswith("capture") and step.name != _KEEPS_FRAME]
        if scene is None or (captured and captured[-1].name == "capture.images"):
            return None  # structure from motion has a world of its own
        return SceneTruth(scene.out / "truth")

    @cached_property
    def mesh(self) -> Mesh:
        """The very triangles that were seen."""
        return read_mesh(self.folder / "mesh.ply")

    @cached_property
    def diagonal(self) -> float:
        """Of the scene, m."""
        return float(np.linalg.norm(np.ptp(self.mesh.vertices, axis=0)))

    def compare(self, mesh: Mesh, views: Sequence[RunView], farthest: float = _FARTHEST_M) -> SurfaceDistances:
        """Distances between a mesh and what at least three cameras see of the truth.

        Both count as far as `farthest` (m) from the middle of the cameras.
        """
        seen = visible_sample(self.mesh, [view.posed for view in views])
        center = torch.from_numpy(view_centers(views).mean(0))
        seen = seen[(seen - center).norm(dim=1) < farthest]
        corners = torch.as_tensor(np.asarray(mesh.vertices, dtype=np.float64)[mesh.faces])
        near = ((corners - center).norm(dim=-1) < farthest).all(1).numpy()
        tau = min(_TAU_M, self.diagonal * _TAU_OF_DIAGONAL)
        return compare_surfaces(Mesh(mesh.vertices, mesh.faces[near]), self.mesh, tau, truth_points=seen)

    def extrinsic_error(self, camera: str, T_camera_lidar: NDArray[np.float64]) -> tuple[float, float] | None:
        """Degrees and meters that an extrinsic is off; None where the scene has no such camera."""
        path = self.folder / "rig.json"
        if not path.is_file():
            return None
        for known in json.loads(path.read_text(encoding="utf-8"))["cameras"]:
            if known["name"] == camera:
                twist = twist_between(np.array(known["T_camera_lidar"]), T_camera_lidar)
                return float(np.degrees(np.linalg.norm(twist[:3]))), float(np.linalg.norm(twist[3:]))
        return None
