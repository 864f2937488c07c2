"""Which photographs are held out."""

from pathlib import Path

import numpy as np
import pytest

from splatkit.geometry.camera import Camera, PosedCamera
from splatkit.io.splits import EVAL_INTERVAL, held_out_names, split_frames
from splatkit.io.transforms_json import Frame, Transforms

CAMERA = Camera("pinhole", 8, 6, 7.0, 7.0, 4.0, 3.0)


def transforms(count: int, **splits: list[int]) -> Transforms:
    """Frames "00", "01" and so on, listed from the last to the first."""
    frames = [Frame(PosedCamera(f"{i:02d}", CAMERA, np.eye(4)), Path(f"/{i:02d}")) for i in reversed(range(count))]
    listed = {split: tuple(f"{i:02d}" for i in numbers) for split, numbers in splits.items()}
    return Transforms(Path("/"), tuple(frames), splits=listed)


def chosen(count: int, **splits: list[int]) -> dict[str, list[int]]:
    found = split_frames(transforms(count, **splits))
    return {split: [int(frame.file_path) for frame in frames] for split, frames in found.items()}


def held_out(count: int, **splits: list[int]) -> set[int]:
    return {int(name) for name in held_out_names(transforms(count, **splits))}


def test_every_eighth_by_name_is_held_out_where_nothing_is_listed():
    assert EVAL_INTERVAL == 8
    rest = [i for i in range(18) if i % 8]
    assert chosen(18) == {"train": rest, "val": [0, 8, 16], "test": [0, 8, 16]}
    assert held_out(18) == {0, 8, 16}


@pytest.mark.parametrize(
    ("listed", "train", "val", "test"),
    [
        ({"train": [2, 1], "test": [4]}, [1, 2], [4], [4]),
        ({"train": [2, 1], "val": [4]}, [1, 2], [4], [4]),
        ({"train": [1, 2], "val": [3], "test": [0]}, [1, 2], [3], [0]),
        ({"train": [1, 2]}, [1, 2], [0, 3, 4], [0, 3, 4]),
        ({"val": [1], "test": [3]}, [0, 2, 4], [1], [3]),
        ({"train": []}, [0, 1, 2, 3, 4], [0, 1, 2, 3, 4], [0, 1, 2, 3, 4]),
    ],
)
def test_lists_are_kept_and_what_they_leave_open_is_completed(listed, train, val, test):
    assert chosen(5, **listed) == {"train": train, "val": val, "test": test}
    assert held_out(5, **listed) == (set(val) | set(test)) - set(train)


def test_what_trains_is_not_held_out_even_where_it_is_evaluated_too():
    assert held_out(4, train=[0, 1, 2], val=[2, 3]) == {3}
    assert held_out(4, train=[0, 1, 2, 3], val=[0, 1, 2, 3]) == set()


def test_a_single_image_trains_and_is_evaluated_and_nothing_is_held_out():
    assert chosen(1) == {"train": [0], "val": [0], "test": [0]}
    assert held_out(1) == set()


def test_what_was_taken_together_is_held_out_together():
    """Ten timestamps of three cameras: the first and the ninth, whole."""
    frames = tuple(
        Frame(PosedCamera(f"{camera}/{i:02d}", CAMERA, np.eye(4)), Path(f"/{camera}/{i:02d}"), rig_frame=f"{i:02d}")
        for camera in ("a", "b", "c")
        for i in range(10)
    )
    expected = {f"{camera}/{i:02d}" for camera in ("a", "b", "c") for i in (0, 8)}
    assert held_out_names(Transforms(Path("/"), frames)) == expected
