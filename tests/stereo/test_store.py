"""What is kept of views: complete files, of which so many are in memory as were allowed."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from splatkit.io.images import write_image
from splatkit.io.transforms_json import Frame
from splatkit.ops.stereo import MatchedPlanes, pack_grays
from splatkit.stereo import store as module
from splatkit.stereo.passes import plan_passes
from splatkit.stereo.store import ViewStore
from splatkit.stereo.working_views import working_camera
from tests.stereo.scenes import look

FIRST, SECOND = plan_passes(90)[:2]


def photographs(folder: Path, count: int = 3) -> list[Frame]:
    rng = np.random.default_rng(0)
    frames = []
    for index in range(count):
        path = folder / f"{index}.png"
        write_image(path, rng.integers(0, 256, (240, 320, 3)).astype(np.uint8))
        frames.append(Frame(look((index, -4, 0)), path))
    return frames


def make_store(folder: Path, frames: Sequence[Frame], longest: int = 121) -> ViewStore:
    return ViewStore(folder / "work", frames, [working_camera(frame, longest) for frame in frames])


def found(seed: int) -> MatchedPlanes:
    generator = torch.Generator().manual_seed(seed)
    return MatchedPlanes(
        torch.rand(4, 5, 3, generator=generator), torch.rand(4, 5, generator=generator), torch.zeros(4, 5)
    )


def test_planes_come_back_bit_by_bit_also_in_another_run(tmp_path: Path):
    frames = photographs(tmp_path)
    store = make_store(tmp_path, frames)
    assert not store.has_planes(1, FIRST)
    store.keep_planes(1, FIRST, found(0))
    for again in (store, make_store(tmp_path, frames)):
        assert again.has_planes(1, FIRST)
        assert not again.has_planes(0, FIRST)
        assert not again.has_planes(1, SECOND)
        planes = again.planes(1, FIRST)
        assert torch.equal(planes.planes, found(0).planes)
        assert torch.equal(planes.costs, found(0).costs)


def test_forgotten_passes_are_gone_from_files_and_memory_and_others_stay(tmp_path: Path):
    store = make_store(tmp_path, photographs(tmp_path))
    for stage in (FIRST, SECOND):
        store.keep_planes(0, stage, found(stage.number))
        store.planes(0, stage)
    store.forget(FIRST)
    assert not store.has_planes(0, FIRST)
    assert torch.equal(store.planes(0, SECOND).costs, found(1).costs)
    store.keep_planes(0, FIRST, found(7))
    assert torch.equal(store.planes(0, FIRST).costs, found(7).costs)  # not those that were in memory
    store.forget(SECOND)
    store.forget(SECOND)  # nothing is left to forget


def test_files_are_complete_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    store = make_store(tmp_path, photographs(tmp_path))

    def interrupted(path: Path, values: np.ndarray) -> None:
        Path(path).write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(module.np, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.keep_planes(0, FIRST, found(0))
    assert not store.has_planes(0, FIRST)
    assert [path for path in (tmp_path / "work").rglob("*") if path.is_file()] == []


def test_arrays_come_back_by_name(tmp_path: Path):
    store = make_store(tmp_path, photographs(tmp_path))
    arrays = {"depths": np.arange(6, dtype=np.float32).reshape(2, 3), "usable": np.eye(2, dtype=bool)}
    assert not store.has_arrays("judged", 2)
    store.keep_arrays("judged", 2, arrays)
    assert store.has_arrays("judged", 2)
    back = store.arrays("judged", 2)
    assert back.keys() == arrays.keys()
    for name, values in arrays.items():
        np.testing.assert_array_equal(back[name], values)
        assert back[name].dtype == values.dtype


def test_photographs_are_read_once(tmp_path: Path):
    frames = photographs(tmp_path)
    first = make_store(tmp_path, frames).image(0)
    frames[0].image_path.unlink()
    again = make_store(tmp_path, frames).image(0)
    for name, values in vars(first).items():
        np.testing.assert_array_equal(vars(again)[name], values)


def test_reduced_images_are_means_and_usable_where_all_is(tmp_path: Path):
    frames = photographs(tmp_path)
    mask = np.ones((240, 320), np.uint8)
    mask[100, 200] = 0
    write_image(tmp_path / "mask.png", mask)
    frames[0] = Frame(frames[0].posed, frames[0].image_path, tmp_path / "mask.png")
    store = make_store(tmp_path, frames, 160)
    gray = store.image(0).gray
    grays, usable, packed = store.grays(0, 4)
    assert grays.shape == usable.shape == (30, 40)
    means = gray.reshape(30, 4, 40, 4).mean((1, 3))
    assert np.abs(grays.numpy() - means).max() <= 0.5 + 1e-6
    assert torch.equal(packed, pack_grays(grays))
    assert int((~usable).sum()) == 1
    assert not usable[100 // 8, 200 // 8]
    reduced = store.reduced_image(0, 4)
    np.testing.assert_array_equal(reduced.gray, grays.numpy())
    assert reduced.colors.shape == (30, 40, 3)
    assert reduced.clear.shape == (30, 40)
    np.testing.assert_allclose(store.K(0, 4)[:2], store.cameras[0].camera.K[:2] / 4)


def test_sides_that_a_scale_does_not_divide_lose_their_last_pixels(tmp_path: Path):
    store = make_store(tmp_path, photographs(tmp_path), 121)
    assert store.image(0).gray.shape == (91, 121)
    assert store.grays(0, 2)[0].shape == store.reduced_image(0, 2).gray.shape == (45, 60)
    assert store.reduced_image(0, 1) is store.image(0)


def test_memory_is_bounded_and_the_values_used_last_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    size = 4 * 5 * 4 * 4  # bytes of planes and costs of 4 x 5 px
    monkeypatch.setattr(module, "CACHE_BYTES", 2 * size)
    store = make_store(tmp_path, photographs(tmp_path))
    for view in range(3):
        store.keep_planes(view, FIRST, found(view))
    first, second = store.planes(0, FIRST), store.planes(1, FIRST)
    assert store.planes(0, FIRST) is first
    store.planes(2, FIRST)  # there is no room for the second any more, which was used before the first
    assert store.planes(0, FIRST) is first
    assert store.planes(1, FIRST) is not second


def test_a_value_larger_than_memory_allows_is_handed_out_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "CACHE_BYTES", 10)
    store = make_store(tmp_path, photographs(tmp_path))
    store.keep_planes(0, FIRST, found(0))
    assert torch.equal(store.planes(0, FIRST).costs, found(0).costs)
    assert store.image(1).gray.shape == (91, 121)
