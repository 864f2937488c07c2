"""Files of programs of photogrammetry, written by the formulas of their documentation from cameras that are known.

Each writer gives the path to read. Photographs lie in the folder images; 3.png is named in all files and has no pose.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from splatkit.geometry.camera import Camera
from splatkit.geometry.geodesy import east_north_up, geocentric
from splatkit.io.images import write_image
from tests.room import look_at

WIDTH, HEIGHT, COUNT, FOCAL = 24, 18, 4, 21.0
CENTER = (12.5, 8.75)
BROWN = (-0.12, 0.05, 0.002, -0.003, 0.01)  # k1 k2 p1 p2 k3, as OpenCV has them
LENS = Camera("brown_conrady", WIDTH, HEIGHT, FOCAL, FOCAL, *CENTER, BROWN)
RADIAL = Camera("brown_conrady", WIDTH, HEIGHT, FOCAL, FOCAL, WIDTH / 2, HEIGHT / 2, (-0.12, 0.05, 0, 0, 0))
POINTS = [[0.0, 0.0, 0.5], [0.5, 0.25, 1.0], [-0.25, 0.5, 0.75]]
COLORS = [[10, 20, 30], [40, 50, 60], [70, 80, 90]]
PLACE = (46.95, 7.44, 560.0)  # deg, deg, m above the ellipsoid
GEOGRAPHIC = 'GEOGCS["WGS 84",DATUM["World Geodetic System 1984",SPHEROID["WGS 84",6378137,298.257223563]]]'
_Y_UP = np.diag([1.0, -1.0, -1.0])


def true_poses() -> np.ndarray:
    """T_world_camera [COUNT - 1, 4, 4], z up."""
    rng = np.random.default_rng(5)
    centers = rng.normal(size=(COUNT - 1, 3)) + np.array([0.0, -4.0, 1.0])
    return np.stack([look_at(center, rng.normal(scale=0.2, size=3)) for center in centers])


def write_photographs(folder: Path) -> list[str]:
    """Names of all, also of the one that has no pose."""
    for index in range(COUNT):
        write_image(folder / "images" / f"{index}.png", np.full((HEIGHT, WIDTH, 3), 40 * index, np.uint8))
    return [f"{index}.png" for index in range(COUNT)]


def text(values: object) -> str:
    """Numbers as XML has them."""
    return " ".join(repr(float(value)) for value in np.ravel(np.asarray(values)))


def metashape_chunk(
    poses: np.ndarray, lens: dict[str, float], transform: str = "", reference: str = "", kind: str = "frame"
) -> str:
    """One chunk; the last photograph is not aligned, and labels have no suffix."""
    resolution = f'<resolution width="{WIDTH}" height="{HEIGHT}"/>'
    terms = "".join(f"<{name}>{value!r}</{name}>" for name, value in lens.items())
    cameras = "".join(
        f'<camera id="{index}" sensor_id="0" component_id="0" label="{index}">'
        f"<transform>{text(pose)}</transform></camera>"
        for index, pose in enumerate(poses)
    )
    return (
        '<chunk label="Chunk 1" enabled="true"><sensors next_id="1">'
        f'<sensor id="0" label="made" type="{kind}">{resolution}'
        f'<calibration type="{kind}" class="initial">{resolution}<f>99</f></calibration>'
        f'<calibration type="{kind}" class="adjusted">{resolution}{terms}</calibration>'
        "</sensor></sensors>"
        f'<components><component id="0" label="Component 1">{transform}</component></components>'
        f'<cameras><group id="0">{cameras}</group><camera id="{COUNT}" sensor_id="0" label="{COUNT - 1}"/></cameras>'
        f"<reference>{reference.replace(chr(34), '&quot;')}</reference></chunk>"
    )


def metashape_document(path: Path, *chunks: str) -> Path:
    """The file."""
    path.write_text(f'<?xml version="1.0" encoding="UTF-8"?>\n<document version="2.0.0">{"".join(chunks)}</document>')
    return path


METASHAPE_LENS = {
    **{"f": FOCAL, "cx": CENTER[0] - WIDTH / 2, "cy": CENTER[1] - HEIGHT / 2},
    **{"k1": BROWN[0], "k2": BROWN[1], "k3": BROWN[4], "p1": BROWN[3], "p2": BROWN[2]},
}


def similarity_text(rotation: object, translation: object, scale: float) -> str:
    """A chunk's transform."""
    return (
        f'<transform><rotation locked="true">{text(rotation)}</rotation><translation>{text(translation)}</translation>'
        f"<scale>{scale!r}</scale></transform>"
    )


def write_metashape(folder: Path) -> Path:
    """In component coordinates, with the similarity to geocentric coordinates of PLACE, where z is up."""
    write_photographs(folder)
    turn, move, scale = Rotation.from_euler("xyz", [20, -50, 130], degrees=True).as_matrix(), [3.0, -2.0, 5.0], 0.25
    to_earth, origin = east_north_up(*PLACE[:2]), geocentric(*map(np.array, PLACE))
    poses = true_poses().copy()
    poses[:, :3, 3] = (poses[:, :3, 3] - move) @ turn / scale
    poses[:, :3, :3] = turn.T @ poses[:, :3, :3]
    transform = similarity_text(to_earth @ turn, to_earth @ np.array(move) + origin, scale)
    return metashape_document(folder / "cameras.xml", metashape_chunk(poses, METASHAPE_LENS, transform, GEOGRAPHIC))


def _heading_pitch_roll(R_camera_world: np.ndarray) -> tuple[float, float, float]:
    """deg, of the matrix that RealityScan's knowledge base prints for its angles."""
    R = R_camera_world
    heading = np.arctan2(-R[1, 0], -R[1, 1])
    roll = np.arctan2(-R[0, 2], -R[2, 2])
    return float(np.degrees(heading)), float(np.degrees(np.arcsin(-R[1, 2]))), float(np.degrees(roll))


def write_realityscan(folder: Path) -> Path:
    """The table, with a line for the number of cameras."""
    names = write_photographs(folder)
    lines = ["#cameras 3", "#name,x,y,alt,heading,pitch,roll,f,px,py,k1,k2,k3,k4,t1,t2"]
    k1, k2, p1, p2, k3 = BROWN
    px, py = (CENTER[0] - WIDTH / 2) / WIDTH, (CENTER[1] - HEIGHT / 2) / WIDTH
    for name, pose in zip(names, true_poses(), strict=False):
        angles = _heading_pitch_roll(pose[:3, :3].T)
        numbers = [*pose[:3, 3], *angles, FOCAL / WIDTH * 36, px, py, k1, k2, k3, 0, p2, p1]
        lines.append(",".join([name, *(repr(float(value)) for value in numbers)]))
    (folder / "cameras.csv").write_text("\n".join(lines) + "\n")
    return folder / "cameras.csv"


def sidecar(pose: np.ndarray | None, model: str = "brown3t2", more: str = "") -> str:
    """An XMP of RealityScan."""
    k1, k2, p1, p2, k3 = BROWN
    px, py = (CENTER[0] - WIDTH / 2) / WIDTH, (CENTER[1] - HEIGHT / 2) / WIDTH
    placed, terms = "", [k1, k2, k3, 0, p2, p1] if model != "division" else [k1, 0, 0, 0, 0, 0]
    if pose is not None:
        placed = f"<xcr:Rotation>{text(pose[:3, :3].T)}</xcr:Rotation><xcr:Position>{text(pose[:3, 3])}</xcr:Position>"
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description xmlns:xcr="http://www.capturingreality.com/ns/xcr/1.1#" xcr:Version="3" '
        f'xcr:DistortionModel="{model}" xcr:FocalLength35mm="{FOCAL / WIDTH * 36!r}" xcr:Skew="0" xcr:AspectRatio="1" '
        f'xcr:PrincipalPointU="{px!r}" xcr:PrincipalPointV="{py!r}" {more}>{placed}'
        f"<xcr:DistortionCoeficients>{text(terms)}</xcr:DistortionCoeficients>"
        "</rdf:Description></rdf:RDF></x:xmpmeta>"
    )


def write_sidecars(folder: Path) -> Path:
    """Beside the photographs."""
    names = write_photographs(folder)
    for name, pose in zip(names, [*true_poses(), None], strict=True):
        (folder / "images" / name).with_suffix(".xmp").write_text(sidecar(pose))
    return folder / "images"


def alicevision_scene(version: tuple[int, int, int], intrinsic: Mapping[str, object], names: list[str]) -> dict:
    """The content of a file; numbers are texts there."""

    def words(values: object) -> list[str]:
        return [repr(float(value)) for value in np.ravel(np.asarray(values))]

    views = [
        {"viewId": str(i), "poseId": str(i), "intrinsicId": "7", "path": f"/somewhere/else/{name}"}
        for i, name in enumerate(names)
    ]
    poses = [
        {
            "poseId": str(i),
            "pose": {
                "transform": {
                    "rotation": words(pose[:3, :3].T.ravel(order="F")),  # of R_camera_world, column by column
                    "center": words(pose[:3, 3]),
                },
                "locked": "0",
            },
        }
        for i, pose in enumerate(true_poses())
    ]
    structure = [
        {"landmarkId": str(i), "X": words(X), "color": [str(c) for c in color], "observations": ""}
        for i, (X, color) in enumerate(zip(POINTS, COLORS, strict=True))
    ]
    size = {"width": str(WIDTH), "height": str(HEIGHT)}
    return {
        "version": [str(number) for number in version],
        "views": views,
        "intrinsics": [{"intrinsicId": "7", **size, **intrinsic}],
        "poses": poses,
        "structure": structure,
    }


def write_alicevision(folder: Path) -> Path:
    """Of the newest version: mm, the principal point from the middle, the distortion named apart."""
    k1, k2, p1, p2, k3 = BROWN
    intrinsic = {
        **{"sensorWidth": "36", "sensorHeight": "27", "type": "pinhole", "distortionType": "brown"},
        **{"focalLength": repr(FOCAL / WIDTH * 36), "pixelRatio": "1", "undistortionType": "none"},
        "principalPoint": [repr(CENTER[0] - WIDTH / 2), repr(CENTER[1] - HEIGHT / 2)],
        "distortionParams": [repr(value) for value in (k1, k2, k3, p1, p2)],
        "undistortionParams": "",
    }
    scene = alicevision_scene((1, 2, 14), intrinsic, write_photographs(folder))
    (folder / "cameras.sfm").write_text(json.dumps(scene))
    return folder / "cameras.sfm"


def write_openmvg(folder: Path) -> Path:
    """As cereal writes it: a second intrinsic of the same class has its number alone."""
    names = write_photographs(folder)
    k1, k2, p1, p2, k3 = BROWN
    shape = {"width": WIDTH, "height": HEIGHT, "focal_length": FOCAL, "principal_point": list(CENTER)}
    data = {"value0": shape, "disto_t2": [k1, k2, k3, p1, p2]}
    intrinsics = [
        {
            "key": 0,
            "value": {"polymorphic_id": 0x80000001, "polymorphic_name": "pinhole_brown_t2", **_wrapped(9, data)},
        },
        {"key": 1, "value": {"polymorphic_id": 1, **_wrapped(10, data)}},
    ]
    views = [
        {
            "key": i,
            "value": {
                "polymorphic_id": 0x40000000,
                **_wrapped(i, {"local_path": "", "filename": name, "id_view": i, "id_intrinsic": i % 2, "id_pose": i}),
            },
        }
        for i, name in enumerate(names)
    ]
    extrinsics = [
        {"key": i, "value": {"rotation": pose[:3, :3].T.tolist(), "center": pose[:3, 3].tolist()}}
        for i, pose in enumerate(true_poses())
    ]
    structure = [{"key": i, "value": {"X": X, "observations": []}} for i, X in enumerate(POINTS)]
    scene = {"sfm_data_version": "0.3", "root_path": "/somewhere", "views": views, "intrinsics": intrinsics}
    (folder / "sfm_data.json").write_text(json.dumps({**scene, "extrinsics": extrinsics, "structure": structure}))
    return folder / "sfm_data.json"


def _wrapped(number: int, data: object) -> dict[str, object]:
    return {"ptr_wrapper": {"id": 0x80000000 + number, "data": data}}


def opf_file(path: Path, kind: str, content: Mapping[str, object]) -> None:
    """A JSON file of a project."""
    path.write_text(json.dumps({"format": f"application/opf-{kind}+json", "version": "1.0", **content}))


PERSPECTIVE = {
    **{"type": "perspective", "focal_length_px": FOCAL, "principal_point_px": list(CENTER)},
    **{"radial_distortion": [BROWN[0], BROWN[1], BROWN[4]], "tangential_distortion": [BROWN[2], BROWN[3]]},
}


def write_opf(folder: Path, internals: Mapping[str, object] = PERSPECTIVE) -> Path:
    """A project in UTM 32."""
    names = write_photographs(folder)
    files: dict[str, Any] = {
        "camera-list": {"cameras": [{"id": 100 + i, "uri": f"images/{name}"} for i, name in enumerate(names)]},
        "input-cameras": {"sensors": [{"id": 5, "image_size_px": [WIDTH, HEIGHT]}], "captures": []},
        "calibrated-cameras": {
            "sensors": [{"id": 5, "internals": internals}],
            "cameras": [
                {"id": 100 + i, "sensor_id": 5, "position": pose[:3, 3].tolist(), "orientation_deg": _opk(pose)}
                for i, pose in enumerate(true_poses())
            ],
        },
        "scene-reference-frame": {
            "crs": {"definition": "EPSG:32632"},
            "base_to_canonical": {"scale": [1.0, 1.0, 1.0], "shift": [-382000.0, -5200000.0, -560.0], "swap_xy": False},
        },
    }
    items = []
    for kind, content in files.items():
        opf_file(folder / f"{kind}.json", kind, content)
        items.append({"resources": [{"uri": f"{kind}.json", "format": f"application/opf-{kind}+json"}], "sources": []})
    opf_file(folder / "project.opf", "project", {"name": "made", "items": items})
    return folder / "project.opf"


def _opk(pose: np.ndarray) -> list[float]:
    """Omega, phi and kappa, deg, of Rx(omega) Ry(phi) Rz(kappa), from single entries of that product."""
    R = pose[:3, :3] @ _Y_UP
    omega, phi, kappa = np.arctan2(-R[1, 2], R[2, 2]), np.arcsin(R[0, 2]), np.arctan2(-R[0, 1], R[0, 0])
    return np.degrees([omega, phi, kappa]).tolist()


def write_bundler(folder: Path) -> Path:
    """With points that nobody is said to see, and one that two cameras do."""
    names = write_photographs(folder)
    lines = ["# Bundle file v0.3", f"{COUNT} {len(POINTS)}"]
    for pose in true_poses():
        R = _Y_UP @ pose[:3, :3].T
        rows = [*R, -R @ pose[:3, 3]]
        lines += [f"{FOCAL!r} {RADIAL.distortion[0]!r} {RADIAL.distortion[1]!r}", *(text(row) for row in rows)]
    lines += ["0 0 0"] * 5
    for point, color in zip(POINTS, COLORS, strict=True):
        lines += [text(point), " ".join(map(str, color)), "2 0 11 -3.5 2.25 1 12 1.5 -0.5"]
    (folder / "bundle.out").write_text("\n".join(lines) + "\n")
    (folder / "list.txt").write_text("\n".join(f"./images/{name} 0 25.0" for name in names))
    return folder / "bundle.out"


@dataclass(frozen=True)
class Format:
    """One of them."""

    name: str
    write: Callable[[Path], Path]
    fuzzed: tuple[str, ...]
    lens: Camera = LENS
    up: str = "z"
    scale: str = "arbitrary"
    has_points: bool = False


FORMATS = [
    Format("metashape", write_metashape, ("cameras.xml",), scale="metric"),
    Format("realityscan table", write_realityscan, ("cameras.csv",)),
    Format("realityscan sidecars", write_sidecars, ("images/0.xmp",)),
    Format("alicevision", write_alicevision, ("cameras.sfm",), up="unknown", has_points=True),
    Format("openmvg", write_openmvg, ("sfm_data.json",), up="unknown", has_points=True),
    Format(
        "opf",
        write_opf,
        ("calibrated-cameras.json", "camera-list.json", "scene-reference-frame.json", "project.opf"),
        scale="metric",
    ),
    Format("bundler", write_bundler, ("bundle.out", "list.txt"), RADIAL, up="unknown", has_points=True),
]
