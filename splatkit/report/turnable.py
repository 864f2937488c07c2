"""Meshes and points that one turns with the mouse: an HTML page with all in it, by the viewer that trimesh brings."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import open3d as o3d
import trimesh
from numpy.typing import NDArray
from trimesh.viewer.notebook import scene_to_html

from splatkit.io.formats.gltf import glb_head, split_glb
from splatkit.io.mesh import Mesh

_MAX_FACES, _MAX_POINTS, _MAX_CAMERAS = 50_000, 100_000, 300  # that a page of 2 to 3 MB holds
_FIELD_OF_VIEW_DEG, _ELEVATION_DEG = 40.0, 25.0
_EXTENT = (0.01, 0.99)  # of the places: a few stray ones must not make the rest small
_UNLIT = "KHR_materials_unlit"
_GRAY, _CAMERA = np.array([200, 200, 200], np.uint8), np.array([228, 87, 46], np.uint8)
_PYRAMID, _DOTS = 0.06, 24  # of the ball's radius; points of an edge
_NONE = np.zeros((0, 3))
# Of trimesh's page: three.js takes textures for sRGB and would show them as if the screen were linear, too dark.
_RENDERER, _SRGB_OUTPUT = (
    "renderer=new THREE.WebGLRenderer({antialias:true});",
    "renderer.outputEncoding=THREE.sRGBEncoding;",
)


def turnable_mesh(mesh: Mesh, azimuth_deg: float = 0.0, max_faces: int = _MAX_FACES) -> str:
    """A page that shows a mesh, z up, at first from an azimuth; large ones are decimated.

    Args:
        mesh: with vertex colors, or gray.
        azimuth_deg: of the camera, from the x axis.
        max_faces: of what is shown.
    """
    colors = np.broadcast_to(_GRAY, mesh.vertices.shape) if mesh.vertex_colors is None else mesh.vertex_colors
    center, radius = _ball(mesh.vertices[np.unique(mesh.faces)])
    vertices = o3d.utility.Vector3dVector(_y_up(mesh.vertices - center))
    shown = o3d.geometry.TriangleMesh(vertices, o3d.utility.Vector3iVector(mesh.faces.astype(np.int32)))
    shown.vertex_colors = o3d.utility.Vector3dVector(np.asarray(colors, np.float64)[:, :3] / 255)
    if len(mesh.faces) > max_faces:
        shown = shown.simplify_quadric_decimation(max_faces)
    kept = (np.clip(np.asarray(shown.vertex_colors), 0, 1) * 255).round().astype(np.uint8)
    faces = trimesh.Trimesh(np.asarray(shown.vertices), np.asarray(shown.triangles), vertex_colors=kept, process=False)
    return _page(faces, azimuth_deg, radius, lit=mesh.vertex_colors is None)


def turnable_glb(content: bytes, vertices: NDArray[np.floating], azimuth_deg: float = 0.0) -> str:
    """A page that shows a .glb as it is, with its texture, at first from an azimuth.

    Args:
        content: of the file.
        vertices: [V, 3] that it has, z up.
        azimuth_deg: of the camera, from the x axis.

    Raises:
        ValueError: it is no .glb.
    """
    document, data = split_glb(content)
    center, radius = _ball(vertices)
    nodes = [{key: value for key, value in node.items() if key != "camera"} for node in document["nodes"]]
    scenes = document.get("scenes") or [{"nodes": list(range(len(nodes)))}]
    scene = scenes[document.get("scene", 0)]
    middle = {"children": scene.get("nodes", []), "translation": (-_y_up(center[None])[0]).tolist()}
    eye = {"name": "camera", "camera": 0, "matrix": _pose(azimuth_deg, radius).T.ravel().tolist()}
    lens = {"aspectRatio": 1.0, "yfov": np.deg2rad(_FIELD_OF_VIEW_DEG), "znear": 1e-3 * radius, "zfar": 100 * radius}
    document |= {
        "nodes": [*nodes, middle, eye],
        "scenes": [{**scene, "nodes": [len(nodes), len(nodes) + 1]}],
        "scene": 0,
        "cameras": [{"name": "camera", "type": "perspective", "perspective": lens}],
    }
    page = str(scene_to_html(_Stored(glb_head(document, len(data)) + data)))
    return page.replace(_RENDERER, _RENDERER + _SRGB_OUTPUT)


def turnable_points(
    points: NDArray[np.floating],
    colors: NDArray[np.uint8],
    T_world_camera: NDArray[np.floating] | None = None,
    azimuth_deg: float = 0.0,
) -> str:
    """A page that shows points and the views of cameras, z up, at first from an azimuth.

    Args:
        points: [N, 3]; of many, evenly chosen ones are shown.
        colors: [N, 3].
        T_world_camera: [C, 4, 4], z forward, drawn as dotted pyramids; of many cameras, evenly chosen ones.
        azimuth_deg: of the viewer, from the x axis.
    """
    step = -(-len(points) // _MAX_POINTS)
    points, colors = points[::step], colors[::step]
    poses = (
        np.zeros((0, 4, 4)) if T_world_camera is None else T_world_camera[:: -(-len(T_world_camera) // _MAX_CAMERAS)]
    )
    center, radius = _ball(points, poses[:, :3, 3])
    dots = _pyramids(poses, _PYRAMID * radius)
    places = np.concatenate([points, dots])
    paint = np.concatenate([colors, np.broadcast_to(_CAMERA, dots.shape).astype(np.uint8)])
    return _page(trimesh.PointCloud(_y_up(places - center), paint), azimuth_deg, radius, lit=False)


def _pyramids(T_world_camera: NDArray[np.floating], height: float) -> NDArray[np.float64]:
    """Points [M, 3] on the edges of the pyramids that cameras look through."""
    corners = np.array([[-0.6, -0.45, 1], [0.6, -0.45, 1], [0.6, 0.45, 1], [-0.6, 0.45, 1]]) * height
    starts = np.concatenate([np.zeros((4, 3)), corners])
    ends = np.concatenate([corners, np.roll(corners, 1, axis=0)])
    shares = np.linspace(0, 1, _DOTS)[:, None, None]
    local = ((1 - shares) * starts + shares * ends).reshape(-1, 3)
    return np.concatenate([np.zeros((0, 3)), *(local @ pose[:3, :3].T + pose[:3, 3] for pose in T_world_camera)])


def _ball(places: NDArray[np.floating], besides: NDArray[np.floating] = _NONE) -> tuple[NDArray[np.float64], float]:
    """Center and radius of the ball around most places [N, 3], and all of others [M, 3]."""
    low, high = np.quantile(places.astype(np.float64), _EXTENT, axis=0)
    low, high = np.minimum(low, besides.min(0, initial=np.inf)), np.maximum(high, besides.max(0, initial=-np.inf))
    return (low + high) / 2, max(float(np.linalg.norm(high - low)) / 2, 1e-12)


def _y_up(places: NDArray[np.floating]) -> NDArray[np.float64]:
    x, y, z = np.asarray(places, np.float64).T
    return np.stack([x, z, -y], -1)


class _Scene(trimesh.Scene):
    """With a material of its own: glTF's default is a dark metal, seen from one side."""

    lit = False  # else colors are shown as photographs have them

    def export(self, *arguments: Any, **options: Any) -> Any:
        """As trimesh does."""

        def with_material(tree: dict[str, Any]) -> None:
            material: dict[str, Any] = {"pbrMetallicRoughness": {"metallicFactor": 0.0}, "doubleSided": True}
            if not self.lit:
                material["extensions"] = {_UNLIT: {}}
                tree["extensionsUsed"] = [_UNLIT]
            tree["materials"] = [material]
            for mesh in tree["meshes"]:
                for primitive in mesh["primitives"]:
                    primitive["material"] = 0

        return super().export(*arguments, tree_postprocessor=with_material, **options)


@dataclass(frozen=True)
class _Stored:
    """A scene that is a file already."""

    content: bytes
    camera: None = None  # it is in the file

    def export(self, file_type: str) -> bytes:
        """The file."""
        return self.content


def _pose(azimuth_deg: float, radius: float) -> NDArray[np.float64]:
    """[4, 4] of a camera that sees a ball about the origin; x right, y up, z backward (OpenGL's axes, and glTF's)."""
    azimuth, elevation = np.deg2rad([azimuth_deg, _ELEVATION_DEG])
    across = np.cos(elevation)
    back = _y_up(np.array([[across * np.cos(azimuth), across * np.sin(azimuth), np.sin(elevation)]]))[0]
    right = np.cross([0, 1, 0], back)
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(back, right), back], -1)
    pose[:3, 3] = back * radius / np.sin(np.deg2rad(_FIELD_OF_VIEW_DEG) / 2)
    return pose


def _page(shown: trimesh.Trimesh | trimesh.PointCloud, azimuth_deg: float, radius: float, *, lit: bool) -> str:
    scene = _Scene([shown])
    scene.lit = lit
    scene.camera = trimesh.scene.Camera(
        name="camera", fov=(_FIELD_OF_VIEW_DEG,) * 2, resolution=(800, 600), z_near=1e-3 * radius, z_far=100 * radius
    )
    scene.camera_transform = _pose(azimuth_deg, radius)
    return str(scene_to_html(scene))
