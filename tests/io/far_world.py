"""Datasets moved far from their origin, as surveys have them. Sources: nerfstudio #3255, metashape-scripts #66."""

import dataclasses
import json
from pathlib import Path

import numpy as np

from splatkit.io.point_clouds import read_point_cloud, write_point_cloud

SURVEY = (500_000.0, 5_400_000.0, 120.0)  # m, UTM


def move_dataset(folder: Path, digits: int = 16) -> None:
    """Add `SURVEY` to the poses, their rotations rounded as files have them, and in double precision to the cloud."""
    file = folder / "transforms.json"
    meta = json.loads(file.read_text())
    for frame in meta["frames"]:
        pose = np.array(frame["transform_matrix"])
        pose[:3, :3] = pose[:3, :3].round(digits)
        pose[:3, 3] += SURVEY
        frame["transform_matrix"] = pose.tolist()
    file.write_text(json.dumps(meta))
    cloud = read_point_cloud(folder / meta["ply_file_path"])
    points = cloud.points.astype(np.float64) + np.array(SURVEY)
    write_point_cloud(folder / meta["ply_file_path"], dataclasses.replace(cloud, points=points))
