"""Photographs to a textured mesh without training: dense stereo, then the surface straight from its depths.

The photographs are generated, so the exact surface is known. With your own, begin with
`capture_images(CaptureImagesSettings(images=Path("photographs"), out=dataset))`, which finds their poses.
"""

from pathlib import Path

import numpy as np
import torch

from splatkit import (
    CaptureStereoSettings,
    ExportMeshSettings,
    SceneSettings,
    SurfaceSettings,
    capture_stereo,
    export_mesh,
    make_scene,
)
from splatkit.evaluation.geometry import point_to_surface, visible_sample
from splatkit.geometry.triangles import sample_triangles
from splatkit.io.images import write_image
from splatkit.io.meshes import read_mesh
from splatkit.io.transforms_json import read_transforms

SEED = 0
photographs, dense, out = Path("photographs"), Path("dense"), Path("mesh")
SCENE = """
background = [0.5, 0.5, 0.5]
cameras = { target = [0, 0, 0.1], horizontal_fov_deg = 46, rings = [{ radius = 1.0, height = 0.8 }] }
light = { direction = [-0.3, 0.5, 1.0], diffuse = 0.6, ambient = 0.5 }

[[objects]]
name = "table"
shape = "cylinder"
position = [0, 0, -0.02]
radius = 0.45
height = 0.04
texture = { kind = "noise", colors = [[0.62, 0.58, 0.48], [0.30, 0.34, 0.26]], size = 0.06, grain_size = 0.03 }

[[objects]]
name = "ball"
shape = "sphere"
position = [-0.13, 0.06, 0.15]
radius = 0.15
texture = { kind = "noise", colors = [[0.16, 0.36, 0.58], [0.70, 0.80, 0.62]], size = 0.05, grain_size = 0.03 }

[[objects]]
name = "box"
shape = "box"
position = [0.18, -0.08, 0.09]
rotation_deg = [0, 0, 30]
size = [0.16, 0.20, 0.18]
texture = { kind = "noise", colors = [[0.92, 0.78, 0.36], [0.64, 0.24, 0.16]], size = 0.04, grain_size = 0.02 }
"""

# A dataset is a folder with images and their cameras. This one has the truth beside it; every 8th view is held out.
Path("table.toml").write_text(SCENE, encoding="utf-8")
make_scene(SceneSettings("table.toml", photographs, width=160, height=120, views=16, seed=SEED))

# Every pixel that several photographs agree on gets a depth, a standard deviation and a normal.
captured = capture_stereo(CaptureStereoSettings(dataset=photographs, out=dense, stereo="low"))
print(captured.verdict())

# The depths are fused, refined by the photographs, and textured by them. The folder gets .glb, .obj and .ply.
surface = SurfaceSettings(max_faces=4000)  # the texture keeps what so few triangles do not
export = export_mesh(ExportMeshSettings(dataset=dense, out=out, surface=surface))
print(export.verdict)

# A held-out photograph, and the mesh from the same place; three times as large.
held_out = export.comparison.worst
picture = np.hstack([held_out.photograph.over_black(), held_out.view.image])
write_image(Path("photographs_to_mesh.png"), picture.repeat(3, 0).repeat(3, 1))

# How far off: points of the mesh to the exact surface, and of the surface that two views see to the mesh.
truth = read_mesh(photographs / "truth/mesh.ply")
views = [frame.posed for frame in read_transforms(photographs).frames]
drawn = sample_triangles(export.mesh, 20_000, torch.Generator().manual_seed(0))
error = point_to_surface(drawn, truth).mean().item()
missing = (point_to_surface(visible_sample(truth, views), export.mesh) > 0.01).double().mean().item()
print(f"{len(export.mesh.faces)} faces, {1000 * error:.2f} mm off on average; {missing:.0%} of what is seen is missing")
print("photographs_to_mesh.png: the worst held-out photograph -> the mesh from there")
