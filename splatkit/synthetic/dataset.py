"""A generated scene as a nerfstudio dataset, with the exact truth beside it.

transforms.json     cameras (OpenGL camera-to-world, meters), every 8th image held out
images/             what a camera would have taken, RGBA: transparent where nothing is, so that whoever trains on
                    them does not take the backdrop for a surface; RGB before an opaque backdrop
points.ply          seed cloud like one from structure from motion, of training views only
truth/              depth/NAME.npy    float32 z-depth at pixel centers, m, 0 where nothing is
                    normals/NAME.npy  float16 world normals at pixel centers
                    alphas/NAME.png   share of each pixel that the scene covers
                    mesh.ply          the very triangles that were rendered
                    scene.json        units, bounds, diagonal, seed, background
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from splatkit.geometry.camera import PosedCamera
from splatkit.geometry.triangles import sample_triangles
from splatkit.io.images import write_image
from splatkit.io.mesh import Mesh
from splatkit.io.meshes import write_mesh
from splatkit.io.point_cloud import PointCloud
from splatkit.io.point_clouds import write_point_cloud
from splatkit.io.transforms_json import Frame, Transforms, write_transforms
from splatkit.progress import Progress, no_progress, track
from splatkit.synthetic.cameras import orbit_cameras
from splatkit.synthetic.description import Color, SceneDescription
from splatkit.synthetic.tracer import TracedView, Tracer

HOLD_OUT_INTERVAL = 8  # every 8th image, sorted by name, is for testing: the convention of 3DGS and mip-NeRF 360

_SUPERSAMPLING = 3
_SEED_POINTS_PER_PIXEL = 1 / 16  # 4800 for 320x240, about what structure from motion finds in such images
_SEED_NOISE_M = 0.003  # half a pixel of a 320 px wide view from 2 m
_SEEN_BY = 2  # views that must see a seed point: with one alone nobody could triangulate it


def generate_scene(
    description: SceneDescription,
    out: Path,
    width: int = 320,
    height: int = 240,
    views: int = 48,
    seed: int = 0,
    progress: Progress = no_progress,
) -> None:
    """Render a scene into the folder `out`, which must exist (`io.atomic.atomic_directory` makes one).

    Args:
        description: what to render.
        out: folder to fill.
        width: px.
        height: px.
        views: number of images, at least 2.
        seed: of textures, sampling and the seed cloud; the same seed gives the same bytes.
        progress: shows how many images are done.
    """
    if description.cameras is None:
        raise ValueError(f"{description.name}: this scene is a walk")
    check_size(width, height)
    if views < 2:
        raise ValueError(f"views: expected at least 2 (one to train and one to test), got {views}")
    tracer = Tracer(description, seed)
    rng = np.random.default_rng([seed, len(description.objects)])
    cameras = orbit_cameras(description.cameras, width, height, views, phase=rng.uniform(0, 2 * np.pi))
    for folder in ("images", "truth/depth", "truth/normals", "truth/alphas"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    names = [f"frame_{view:04d}" for view in range(views)]
    for name, camera in track(zip(names, cameras, strict=True), "photographing", progress, views):
        _write_view(out, name, tracer.render(camera, _SUPERSAMPLING, rng), description)
    train = [camera for view, camera in enumerate(cameras) if view % HOLD_OUT_INTERVAL != 0]
    count = round(width * height * _SEED_POINTS_PER_PIXEL)
    write_point_cloud(out / "points.ply", _seed_cloud(tracer, train, count, rng), comments=("units: m, z up",))
    _write_cameras(out, names, cameras)
    write_mesh(out / "truth/mesh.ply", tracer.mesh, comments=("units: m, z up",))
    summary = json.dumps(scene_summary(description, tracer.mesh, seed), indent=1)
    (out / "truth/scene.json").write_text(summary + "\n")


def check_size(width: int, height: int) -> None:
    """ValueError where images would be too small to mean anything."""
    if width < 8 or height < 8:
        raise ValueError(f"width, height: expected at least 8 px, got {width}x{height}")


def _write_view(out: Path, name: str, view: TracedView, description: SceneDescription) -> None:
    write_image(out / f"images/{name}.png", _photograph(view, description))
    write_image(out / f"truth/alphas/{name}.png", view.alphas)
    np.save(out / f"truth/depth/{name}.npy", view.depths)
    np.save(out / f"truth/normals/{name}.npy", view.normals.astype(np.float16))


def _photograph(view: TracedView, description: SceneDescription) -> NDArray[np.float32]:
    """[H, W, 3] before an opaque backdrop, else [H, W, 4]."""
    if description.zenith is not None:
        return view.colors
    return np.dstack([_straight_colors(view, description.background), view.alphas])


def _straight_colors(view: TracedView, background: Color) -> NDArray[np.float32]:
    """Colors [H, W, 3] of what covers a pixel, without the background behind it; the background where nothing does."""
    behind = np.array(background, dtype=np.float32)
    alphas = view.alphas[..., None]
    covered = (view.colors - (1 - alphas) * behind) / np.maximum(alphas, 1e-6)
    return np.where(alphas > 0, covered, behind).clip(0, 1)


def _write_cameras(out: Path, names: Sequence[str], cameras: Sequence[PosedCamera]) -> None:
    out = out.resolve()
    files = [f"images/{name}.png" for name in names]
    frames = tuple(Frame(replace(camera, name=file), out / file) for file, camera in zip(files, cameras, strict=True))
    held_out = tuple(files[::HOLD_OUT_INTERVAL])
    train = tuple(file for file in files if file not in held_out)
    splits = {"train": train, "val": held_out, "test": held_out}
    write_transforms(out / "transforms.json", Transforms(out, frames, out / "points.ply", splits))


def scene_summary(description: SceneDescription, mesh: Mesh, seed: int) -> dict[str, object]:
    """What a program wants to know of a scene without looking at its files."""
    low, high = mesh.vertices.min(0).astype(float), mesh.vertices.max(0).astype(float)
    return {
        "scene": description.name,
        "units": "m",
        "up": "z",
        "seed": seed,
        "background": list(description.background),
        "bounds": [low.tolist(), high.tolist()],
        "diagonal": float(np.linalg.norm(high - low)),
    }


def _seed_cloud(tracer: Tracer, cameras: Sequence[PosedCamera], count: int, rng: np.random.Generator) -> PointCloud:
    """`count` noisy points of the surface that at least two cameras see, colored by one of these."""
    points: list[NDArray[np.float64]] = []
    colors: list[NDArray[np.float32]] = []
    found = 0
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    needed = min(_SEEN_BY, len(cameras))
    while found < count:
        candidates = sample_triangles(tracer.mesh, 2 * count, generator).numpy()
        seen = np.stack([tracer.visible(candidates, camera, tolerance=1e-4) for camera in cameras])
        good = np.flatnonzero(seen.sum(0) >= needed)[: count - found]
        witness = seen[:, good].argmax(0)
        for index in np.unique(witness):
            mine = good[witness == index]
            colors.append(tracer.colors_at(candidates[mine], cameras[index].center))
            points.append(candidates[mine])
        found += len(good)
    noisy = np.concatenate(points) + rng.normal(scale=_SEED_NOISE_M, size=(count, 3))
    return PointCloud(noisy.astype(np.float32), np.round(np.concatenate(colors) * 255).astype(np.uint8))
