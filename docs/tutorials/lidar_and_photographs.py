"""A LiDAR and photographs in one world: meters, the offset between two clocks, a colored cloud and depth maps.

A courtyard is generated: someone walks through it with a LiDAR and two cameras. The photographs' poses are then put
into a world of another scale, as structure from motion leaves them (`capture_images`, from photographs of your own).
"""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch

from splatkit import CaptureLidarSettings, Defects, SceneSettings, capture_lidar, make_scene
from splatkit.evaluation.geometry import point_to_surface
from splatkit.io.images import read_image, write_image
from splatkit.io.maps.depth_maps import read_depth_map
from splatkit.io.meshes import read_mesh
from splatkit.io.point_clouds import read_point_cloud, write_point_cloud
from splatkit.io.transforms_json import read_transforms, write_transforms
from splatkit.report.overlays import draw_points

SEED = 0
SCALE, OFFSET_S = 0.4, 0.03
walk, dataset = Path("walk"), Path("dataset")

# Scans as a sensor delivers them, in its moving frame. Its clock is ahead of the cameras'.
defects = Defects(time_offset_s=OFFSET_S)
make_scene(SceneSettings("courtyard", walk, width=160, height=120, views=24, scans=24, seed=SEED, defects=defects))

# The photographs' world, cameras and points, shrinks.
transforms, frames = read_transforms(walk), []
for frame in transforms.frames:
    T_world_camera = frame.T_world_camera.copy()
    T_world_camera[:3, 3] *= SCALE
    frames.append(replace(frame, posed=replace(frame.posed, T_world_camera=T_world_camera)))
cloud = read_point_cloud(walk / "points.ply")
write_point_cloud(walk / "points.ply", replace(cloud, points=SCALE * cloud.points))
write_transforms(walk / "transforms.json", replace(transforms, frames=tuple(frames)))

# Both worlds are brought together. Extrinsics come from `calibrate`, or any JSON with T_camera_lidar of each camera.
settings = CaptureLidarSettings(
    scans=walk / "lidar",
    calibration=(walk / "rig.json",),
    dataset=walk,
    trajectory=walk / "trajectory.txt",
    image_times=walk / "images.csv",
    stereo="off",  # "auto" compares photographs too, and has a depth where the LiDAR has none: enough for a mesh
    out=dataset,
)
captured = capture_lidar(settings)
print(captured.verdict())
scale, offset_s = captured.scene.alignment.similarity.scale, captured.scene.offset_s
print(f"scale {SCALE * scale:.5f} of the true one; clocks {1000 * offset_s:.1f} ms apart, truly {1000 * OFFSET_S:g}")

# How far off: depth maps beside the exact depth, and the cloud beside the exact surface.
errors = []
captured_frames = read_transforms(dataset).frames
for frame in captured_frames:
    depths = read_depth_map(frame.depth_path).depths
    exact = np.load(walk / f"truth/depth/{frame.image_path.stem}.npy")
    both = (depths > 0) & (exact > 0)
    errors.append(np.abs(depths - exact)[both])
error = float(np.median(np.concatenate(errors)))
points = read_point_cloud(dataset / "points.ply").points
cloud_error = point_to_surface(torch.from_numpy(points), read_mesh(walk / "truth/mesh.ply")).median().item()
print(f"depths {1000 * error:.0f} mm off, the cloud {1000 * cloud_error:.0f} mm (medians); ranges have 20 mm of noise")

# Depths on their photograph, four times as large: near is red. Edges of what is near must lie on the photograph's.
frame = captured_frames[0]
depths = read_depth_map(frame.depth_path).depths
rows, columns = np.nonzero(depths)
large = cv2.resize(read_image(frame.image_path), None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
picture = draw_points(large, 4 * (np.stack([columns, rows], 1) + 0.5), depths[rows, columns])
write_image(Path("lidar_and_photographs.png"), picture)
print("lidar_and_photographs.png: LiDAR -> photograph")
