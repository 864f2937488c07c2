"""What could not be placed is tried once more, and an interrupted capture remembers what it chose."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pycolmap
import pytest

from splatkit.capture.images.files import read_image_files
from splatkit.capture.images.inputs import GatheredImages
from splatkit.capture.images.settings import CaptureImagesSettings
from splatkit.capture.images.stage import capture_images
from splatkit.capture.images.structure.feature_matching import FeatureSettings, create_database, extract_features
from splatkit.capture.images.structure.pairing import matching_set
from splatkit.capture.images.structure.reconstruction import reconstruct
from splatkit.capture.images.structure.rounds import MatchingWork, Solved, solve_in_rounds
from splatkit.errors import CaptureRefusedError, SettingsError
from splatkit.io.images import write_image
from splatkit.progress import no_progress
from tests.room import photograph_room

SETTINGS = FeatureSettings(features=800)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory) -> Path:
    """A folder with images/ of a room, nine that belong together and one of noise, and their features."""
    folder = tmp_path_factory.mktemp("rounds")
    room = photograph_room(folder / "images", count=9)
    noise = np.random.default_rng(0).integers(0, 255, (60, 80, 3)).astype(np.uint8)
    write_image(folder / "images/view_09.png", np.kron(noise, np.ones((4, 4, 1), np.uint8)))
    camera = pycolmap.Camera.create_from_model_name(1, "SIMPLE_RADIAL", float(room.K[0, 0]), *room.size)
    create_database(folder / "database.db", [camera], [(f"view_{index:02d}.png", 1) for index in range(10)])
    extract_features(folder / "database.db", folder / "images", None, SETTINGS, no_progress)
    return folder


class Attempts:
    """Structure from motion that counts how often it is asked for."""

    def __init__(self, photographs: Path, folder: Path, first_pairs: list[tuple[int, int]]) -> None:
        self.count, self.images = 0, photographs / "images"
        names = [f"view_{index:02d}.png" for index in range(10)]
        (folder / "database.db").write_bytes((photographs / "database.db").read_bytes())
        pairs = [(names[a], names[b]) for a, b in first_pairs]
        (folder / "pairs.json").write_text(json.dumps({"pairs": pairs, "counts": {"similar": len(pairs)}}))
        links = {name: name for name in names}
        self.work = MatchingWork(folder, matching_set(names, {}), links, "auto", SETTINGS, no_progress)

    def solve(self) -> Solved:
        self.count += 1
        return reconstruct(self.work.database, self.images, 1, 0, no_progress)

    def run(self, solve: Callable[[], Solved] | None = None) -> tuple[set[str], dict[str, int]]:
        (model, _), counts = solve_in_rounds(self.work, solve or self.solve)
        return {model.images[image_id].name for image_id in model.reg_image_ids()}, counts


def among(numbers: range) -> list[tuple[int, int]]:
    return [(i, j) for i in numbers for j in numbers if i < j]


def placed(*numbers: int) -> set[str]:
    return {f"view_{index:02d}.png" for index in numbers}


def test_the_unplaced_are_placed_by_more_pairs_and_an_interruption_costs_no_attempt(photographs, tmp_path):
    """Five were matched with each other, and four with nothing."""
    attempts = Attempts(photographs, tmp_path, among(range(5)))

    def interrupted_in_the_second_round() -> Solved:
        if attempts.count == 1:
            raise KeyboardInterrupt
        return attempts.solve()

    with pytest.raises(KeyboardInterrupt):
        attempts.run(interrupted_in_the_second_round)
    found, counts = attempts.run()
    assert found == placed(*range(9))
    assert attempts.count == 2
    assert counts == {"similar": 10, "of_unplaced": 45 - 10}


def test_all_is_not_solved_again_for_what_fits_to_nothing(photographs, tmp_path):
    attempts = Attempts(photographs, tmp_path, among(range(9)))
    found, counts = attempts.run()
    assert found == placed(*range(9))
    assert attempts.count == 1
    assert counts == {"similar": 36, "of_unplaced": 9}


def test_a_refusal_comes_after_the_second_round(photographs, tmp_path):
    attempts = Attempts(photographs, tmp_path, [(0, 9), (4, 9)])

    def refuse() -> Solved:
        attempts.count += 1
        raise CaptureRefusedError("nothing fits")

    with pytest.raises(CaptureRefusedError, match="nothing fits"):
        attempts.run(refuse)
    assert attempts.count == 2
    found, _ = attempts.run()  # the same call resumes behind the matches
    assert found == placed(*range(9))
    assert attempts.count == 3


def test_the_first_attempt_stays_where_the_second_is_worse(photographs, tmp_path):
    attempts = Attempts(photographs, tmp_path, among(range(5)))

    def refuse_the_second() -> Solved:
        if attempts.count == 1:
            raise CaptureRefusedError("nothing fits")
        return attempts.solve()

    found, _ = attempts.run(refuse_the_second)
    assert found == placed(*range(5))


def test_a_dataset_says_how_pairs_were_chosen(tmp_path):
    room = photograph_room(tmp_path / "photographs", count=6)
    settings = CaptureImagesSettings(
        room.folder, tmp_path / "out", matching="retrieval", workers=1, stereo="off", features=800
    )
    assert capture_images(settings).verdict().startswith("6 of 6 photographs placed")
    record = json.loads((tmp_path / "out/capture.json").read_text())
    assert record["figures"]["matched_pairs"] == {"similar": 15}


def test_spatial_matching_without_positions_is_refused_before_long_work(tmp_path):
    room = photograph_room(tmp_path / "photographs", count=3)
    settings = CaptureImagesSettings(room.folder, tmp_path / "out", matching="spatial", workers=1, stereo="off")
    with pytest.raises(SettingsError, match="--matching spatial: no photograph says where it was taken"):
        capture_images(settings)


@pytest.mark.parametrize(
    ("names", "in_order"),
    [
        (["front/1700000000.250000.jpg", "front/1700000001.5.jpg"], False),
        (["front/1700000000.250000.jpg", "back/1700000001.500000.png"], True),
        (["IMG_0001.jpg", "IMG_0002.jpg"], False),
        (["1.1.jpg", "1.2.jpg"], False),
    ],
)
def test_photographs_of_a_recording_are_in_order(photographs, names, in_order):
    files = read_image_files([(name, photographs / "images/view_00.png") for name in names], 1, no_progress)
    assert GatheredImages(files, ()).is_in_order == in_order
