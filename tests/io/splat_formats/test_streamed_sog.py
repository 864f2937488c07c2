"""Streamed SOG: all splats come back, the tree is as specified, damage is named, and nothing else is lost."""

import itertools
import json

import numpy as np
import pytest

from splatkit.errors import DatasetError
from splatkit.io.splat_formats import streamed_sog
from splatkit.io.splat_formats.gaussians import nearest_gaussians
from splatkit.io.splat_formats.levels import covariances
from splatkit.io.splat_formats.sog import decode_sog
from splatkit.io.splat_formats.streamed_sog import INDEX, read_streamed_sog, write_streamed_sog
from tests.io.test_splats import random_splats


@pytest.fixture
def small_parts(monkeypatch):
    """Leaves, chunks and levels of few splats."""
    monkeypatch.setattr(streamed_sog, "_LEAF", 64)
    monkeypatch.setattr(streamed_sog, "_CHUNK", 200)
    monkeypatch.setattr(streamed_sog, "_COARSEST", 150)


def leaves_of(node):
    return [node] if "lods" in node else [leaf for child in node["children"] for leaf in leaves_of(child)]


def read_chunk(path):
    return decode_sog(path, lambda name: path.with_name(name).read_bytes())


def sorted_rows(values):
    return values[np.lexsort(values.T)]


def test_all_splats_come_back_and_each_level_has_half(tmp_path, small_parts):
    splats = random_splats(1000, 3)
    size = write_streamed_sog(tmp_path / "scene" / INDEX, splats)
    assert size == sum(file.stat().st_size for file in (tmp_path / "scene").rglob("*") if file.is_file())
    index = json.loads((tmp_path / "scene" / INDEX).read_text())
    assert (index["version"], index["counts"], index["lodLevels"]) == (1, [1000, 500, 250, 125], 4)
    assert index["count"] == 1875
    read = read_streamed_sog(tmp_path / "scene" / INDEX)
    np.testing.assert_allclose(sorted_rows(read.means), sorted_rows(splats.means), atol=2e-3)
    np.testing.assert_allclose(np.sort(read.betas), np.sort(splats.betas), atol=0.1)
    for level, count in enumerate(index["counts"]):
        assert len(read_streamed_sog(tmp_path / "scene" / INDEX, level).means) == count


def test_the_tree_is_as_specified(tmp_path, small_parts):
    """Runs cover chunks without gaps, chunks are of one level, boxes hold Gaussians whole and lie in their parents'."""
    write_streamed_sog(tmp_path / INDEX, random_splats(1000, 0))
    index = json.loads((tmp_path / INDEX).read_text())
    chunks = [read_chunk(tmp_path / name) for name in index["filenames"]]
    covered = [np.zeros(len(chunk.means), int) for chunk in chunks]
    for leaf in leaves_of(index["tree"]):
        assert set(leaf["lods"]) == {"0", "1", "2", "3"}
        for level, run in leaf["lods"].items():
            assert index["filenames"][run["file"]].startswith(f"{level}_")
            part = slice(run["offset"], run["offset"] + run["count"])
            covered[run["file"]][part] += 1
            shown = nearest_gaussians(chunks[run["file"]])
            reach = np.sqrt(np.diagonal(covariances(shown), axis1=1, axis2=2))
            low, high = (np.array(leaf["bound"][side]) for side in ("min", "max"))
            assert (shown.means[part] - reach[part] >= low).all()
            assert (shown.means[part] + reach[part] <= high).all()
    assert all((count == 1).all() for count in covered)
    waiting = [index["tree"]]
    while waiting:
        node = waiting.pop()
        for child in node.get("children", ()):
            assert np.all(np.array(node["bound"]["min"]) <= child["bound"]["min"])
            assert np.all(np.array(node["bound"]["max"]) >= child["bound"]["max"])
            waiting.append(child)


def test_what_another_program_wrote_is_read(tmp_path):
    """As SplatTransform 3.7 lays it out: one leaf for all, an environment, a level that a leaf lacks."""
    splats = random_splats(20, 0)
    for name in ("0_0", "env"):
        write_streamed_sog(tmp_path / name / "x" / INDEX, splats)
        (tmp_path / name / "x" / "0_0").rename(tmp_path / name / "chunk")
    box = {"min": [-9, -9, -9], "max": [9, 9, 9]}
    index = {
        "version": 1,
        "lodLevels": 2,
        "environment": "env/chunk/meta.json",
        "filenames": ["0_0/chunk/meta.json"],
        "tree": {
            "bound": box,
            "children": [
                {"bound": box, "lods": {"0": {"file": 0, "offset": 5, "count": 10}}},
                {"bound": box, "lods": {"1": {"file": 0, "offset": 0, "count": 5}}},
                {"bound": box, "lods": {}},
            ],
        },
    }
    (tmp_path / INDEX).write_text(json.dumps(index))
    assert len(read_streamed_sog(tmp_path / INDEX).means) == 15 + 20
    index["environment"] = None
    (tmp_path / INDEX).write_text(json.dumps(index))
    assert len(read_streamed_sog(tmp_path / INDEX, 1).means) == 15


def test_files_of_others_stay_and_an_earlier_dataset_is_replaced(tmp_path, small_parts):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(
        FileExistsError, match=r"other files \(notes\.txt\); streamed splats need a folder of their own"
    ):
        write_streamed_sog(tmp_path / INDEX, random_splats(10))
    (tmp_path / "notes.txt").unlink()
    write_streamed_sog(tmp_path / INDEX, random_splats(1000))
    write_streamed_sog(tmp_path / INDEX, random_splats(10))
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["0_0", INDEX]
    (tmp_path / "photo.jpg").write_bytes(b"")
    with pytest.raises(FileExistsError, match=r"photo\.jpg"):
        write_streamed_sog(tmp_path / INDEX, random_splats(10))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda index: index.update(version=2), "version 2"),
        (lambda index: index.pop("tree"), "names no chunks or no tree"),
        (lambda index: index["tree"]["lods"]["0"].update(file=3), "chunk 3 of 1"),
        (lambda index: index["tree"]["lods"]["0"].update(offset=41), "wants 50 from 41 on"),
        (lambda index: index["tree"]["lods"]["0"].pop("count"), "lacks something"),
        (lambda index: index["tree"].update(lods={"fine": {}}), "lacks something"),
        (lambda index: index["tree"].pop("lods"), "holds no splats"),
        (lambda index: index.update(filenames=["../0_0/meta.json"]), "outside of its folder"),
        (lambda index: index.update(filenames=["/etc/meta.json"]), "outside of its folder"),
    ],
)
def test_damage_is_named(tmp_path, change, reason):
    write_streamed_sog(tmp_path / INDEX, random_splats(50))
    index = json.loads((tmp_path / INDEX).read_text())
    change(index)
    (tmp_path / INDEX).write_text(json.dumps(index))
    with pytest.raises(DatasetError, match=reason):
        read_streamed_sog(tmp_path / INDEX)


def test_cut_and_missing_files_are_named(tmp_path):
    write_streamed_sog(tmp_path / INDEX, random_splats(50))
    picture = tmp_path / "0_0" / "sh0.webp"
    whole = picture.read_bytes()
    picture.write_bytes(whole[:40])
    with pytest.raises(DatasetError, match=r"0_0.meta\.json: an image of this"):
        read_streamed_sog(tmp_path / INDEX)
    picture.unlink()
    with pytest.raises(DatasetError, match=r"sh0\.webp"):
        read_streamed_sog(tmp_path / INDEX)
    (tmp_path / "0_0" / "meta.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"0_0.meta\.json: no such file"):
        read_streamed_sog(tmp_path / INDEX)
    (tmp_path / INDEX).write_text("[" * 100000)
    with pytest.raises(DatasetError, match="not an index"):
        read_streamed_sog(tmp_path / INDEX)


def test_levels_end_where_no_neighbor_is_left_in_a_leaf(tmp_path, monkeypatch):
    monkeypatch.setattr(streamed_sog, "_LEAF", 3)
    monkeypatch.setattr(streamed_sog, "_COARSEST", 1)
    write_streamed_sog(tmp_path / INDEX, random_splats(300, 0))
    counts = json.loads((tmp_path / INDEX).read_text())["counts"]
    assert counts[0] == 300
    assert all(after <= 0.9 * before for before, after in itertools.pairwise(counts))
