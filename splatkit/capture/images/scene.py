"""Cameras and points of gathered photographs, step by step in a folder where an interrupted run goes on."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pycolmap

from splatkit.capture.images.files import ImageFile
from splatkit.capture.images.poses.given import GivenCamera, GivenCameras
from splatkit.capture.images.rigs.rig import CameraRig
from splatkit.capture.images.solved_scene import SolvedScene, SolvedView, scene_of
from splatkit.capture.images.structure.apart import run_apart
from splatkit.capture.images.structure.feature_matching import (
    FeatureSettings,
    colmap_errors,
    create_database,
    extract_features,
    match_features,
    most_matches,
)
from splatkit.capture.images.structure.pairing import Matching, matching_set
from splatkit.capture.images.structure.reconstruction import CameraModel, Sharing, reconstruct, sfm_cameras
from splatkit.capture.images.structure.rig_structure import reconstruct_rig
from splatkit.capture.images.structure.rounds import MatchingWork, solve_in_rounds
from splatkit.capture.images.structure.triangulation import nearest_pairs, shared_cameras, triangulate
from splatkit.geometry.camera import PosedCamera
from splatkit.io.atomic import atomic_directory
from splatkit.io.formats.colmap_cameras import colmap_camera
from splatkit.io.images import image_size, is_plain, read_image, read_mask, write_image
from splatkit.progress import Progress


@dataclass(frozen=True)
class SceneSettings:
    """How cameras and points are found."""

    camera_model: CameraModel = "OPENCV"
    sharing: Sharing = "size"
    matching: Matching = "auto"
    in_order: bool = False  # photographs of each folder are in the order of time
    features: FeatureSettings = field(default_factory=FeatureSettings)


@dataclass(frozen=True)
class Solution:
    """What came of it."""

    scene: SolvedScene
    lost: dict[str, int]  # photographs without a place -> the most matches that one has with another photograph
    other_models: tuple[int, ...]  # photographs of each group that could not be joined
    pairs: dict[str, int] = field(default_factory=dict)  # that were matched, by the reason why they were chosen


def solve_unknown(
    folder: Path,
    files: Sequence[ImageFile],
    masks: dict[str, Path],
    settings: SceneSettings,
    progress: Progress,
    rig: CameraRig | None = None,
) -> Solution:
    """Cameras and points from photographs alone.

    Args:
        folder: of this stage; what is there is of the same inputs and settings.
        files: photographs.
        masks: of some of them, by name.
        settings: see there.
        progress: shows bars.
        rig: that some of them are of.

    Raises:
        CaptureRefusedError: too few photographs found a place.
    """
    links = _link_images(folder, files, masks)
    if not (folder / "model").is_dir():
        run_apart(_find_all, (folder, files, links, settings, rig), folder, progress)
    return _load(folder, {link: name for name, link in links.items()})


def solve_given(
    folder: Path, given: Sequence[GivenCamera], masks: dict[str, Path], settings: FeatureSettings, progress: Progress
) -> Solution:
    """Points from photographs whose cameras are known; see `solve_unknown`."""
    links = _link_images(folder, given, masks)
    if not (folder / "model").is_dir():
        known = {links[camera.name]: camera.posed for camera in given}
        run_apart(_find_points, (folder, known, settings), folder, progress)
    solution = _load(folder, {link: name for name, link in links.items()})
    exact = {camera.name: camera.posed for camera in given}  # as they were given: COLMAP's quaternions round
    views = tuple(replace(view, posed=exact[view.name]) for view in solution.scene.views)
    return replace(solution, scene=replace(solution.scene, views=views))


def _find_all(
    folder: Path,
    files: Sequence[ImageFile],
    links: dict[str, str],
    settings: SceneSettings,
    rig: CameraRig | None,
    progress: Progress,
) -> None:
    start = sfm_cameras(files, settings.camera_model, settings.sharing, rig)
    numbered = [(links[name], camera_id) for name, camera_id in start.images]
    linked = None if rig is None else rig.renamed(links)
    database, images = folder / "database.db", folder / "images"
    create_database(database, start.cameras, numbered)
    extract_features(database, images, _mask_folder(folder), settings.features, progress)
    fixes = {file.name: file.gps for file in files if file.gps is not None}
    photographs = matching_set([file.name for file in files], fixes, rig, settings.in_order)
    threads = (settings.features.workers, settings.features.seed, progress)

    def solve() -> tuple[pycolmap.Reconstruction, list[int]]:
        if linked is None:
            return reconstruct(database, images, *threads)
        return reconstruct_rig(database, images, linked, start, *threads)

    work = MatchingWork(folder, photographs, links, settings.matching, settings.features, progress)
    (model, others), counts = solve_in_rounds(work, solve)
    _store(folder, model, others, counts)


def _find_points(folder: Path, known: dict[str, PosedCamera], settings: FeatureSettings, progress: Progress) -> None:
    names, poses = list(known), np.stack([posed.T_world_camera for posed in known.values()])
    lenses, numbers = shared_cameras([posed.camera for posed in known.values()])
    cameras = [colmap_camera(lens, index + 1) for index, lens in enumerate(lenses)]
    database = folder / "database.db"
    create_database(database, cameras, list(zip(names, numbers, strict=True)))
    extract_features(database, folder / "images", _mask_folder(folder), settings, progress)
    pairs = nearest_pairs(names, poses)
    match_features(database, pairs, settings, progress)
    places = dict(zip(names, poses, strict=True))
    model = triangulate(database, folder / "images", places, settings.workers, settings.seed, progress)
    _store(folder, model, [], {"near_by_pose": len(pairs)})


def _link_images(folder: Path, images: Sequence[ImageFile | GivenCamera], masks: dict[str, Path]) -> dict[str, str]:
    """Put all images and masks into one folder under plain numbers; returns those by name.

    COLMAP's lists part names at spaces, and photographs may come from anywhere. It does not read WebP and cuts 16 bits
    its own way: what is not a plain JPEG or PNG is handed over as an 8-bit PNG.
    """
    links = {}
    (folder / "images").mkdir(exist_ok=True)
    for index, image in enumerate(images):
        path = image.path if isinstance(image, ImageFile) else image.image
        plain = is_plain(path)
        link = links[image.name] = f"{index:06d}{path.suffix.lower() if plain else '.png'}"
        if not (folder / "images" / link).exists():
            _hand_over(folder / "images" / link, path, plain)
        if masks:
            _write_mask(folder / "masks" / f"{link}.png", masks.get(image.name), path)
    return links


def _hand_over(link: Path, path: Path, plain: bool) -> None:
    if plain:
        link.symlink_to(path.resolve())
        return
    image = read_image(path)
    if image.shape[2] == 4:  # before black: what color an invisible pixel has is no feature
        image = (image[..., :3] * (image[..., 3:] / 255.0) + 0.5).astype(np.uint8)
    write_image(link, image)


def _write_mask(path: Path, mask: Path | None, image: Path) -> None:
    """As COLMAP reads it: one channel, black where nothing is to be found; it wants one of each image or of none."""
    if path.is_file():
        return
    path.parent.mkdir(exist_ok=True)
    counts = np.ones(image_size(image)[::-1], dtype=bool) if mask is None else read_mask(mask)
    write_image(path, np.where(counts, 255, 0).astype(np.uint8))


def _mask_folder(folder: Path) -> Path | None:
    return folder / "masks" if (folder / "masks").is_dir() else None


def _store(folder: Path, model: pycolmap.Reconstruction, others: list[int], pairs: dict[str, int]) -> None:
    lost = most_matches(folder / "database.db", {image.name for image in model.images.values() if image.has_pose})
    with atomic_directory(folder / "model") as partial, colmap_errors(str(folder)):
        model.write_binary(partial)
        found = {"others": others, "lost": lost, "pairs": pairs}
        (partial / "others.json").write_text(json.dumps(found), encoding="utf-8")


def _load(folder: Path, name_of: dict[str, str]) -> Solution:
    """The stored model, with the photographs' names instead of numbers; a first run and a second see the same."""
    with colmap_errors(str(folder)):
        model = pycolmap.Reconstruction(folder / "model")
    others = json.loads((folder / "model" / "others.json").read_text(encoding="utf-8"))
    scene = scene_of(model, folder)
    views = tuple(replace(view, posed=replace(view.posed, name=name_of[view.name])) for view in scene.views)
    lost = {name_of[link]: count for link, count in others["lost"].items()}
    return Solution(replace(scene, views=views), lost, tuple(others["others"]), others.get("pairs", {}))


def take_given(given: GivenCameras) -> Solution:
    """Cameras and points as they came; which camera sees which point is not known."""
    nothing = np.zeros((0, 2)), np.zeros(0, dtype=np.int64), np.zeros(0)
    views = tuple(SolvedView(camera.posed, *nothing) for camera in given.cameras)
    cloud = given.points
    if cloud is None:
        raise ValueError("given: expected cameras with points")
    colors = np.full(cloud.points.shape, 128, np.uint8) if cloud.colors is None else cloud.colors
    return Solution(SolvedScene(views, cloud.points.astype(np.float64), colors), {}, ())
