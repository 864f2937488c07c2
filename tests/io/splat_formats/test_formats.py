"""Splats go through every kind of file within its steps, as another program writes and reads them."""

import gzip
import json
import struct
import sys

import numpy as np
import pytest

from splatkit.errors import DatasetError
from splatkit.io.formats.gltf import glb_head, split_glb
from splatkit.io.splat_formats.compressed_ply import write_compressed_ply
from splatkit.io.splat_formats.formats import (
    SPLAT_FORMATS,
    SplatNotes,
    holds_splats,
    read_splat_file,
    splat_format,
    write_splat_file,
)
from splatkit.io.splat_formats.gaussians import nearest_gaussians
from splatkit.io.splat_formats.quantization import morton_order
from splatkit.io.splats import SH0, SplatArrays
from tests.io.splat_formats.other_program import file_of_other_program, written_splats
from tests.io.test_splats import random_splats

PACKED = (".spz", ".compressed.ply", ".glb", ".splat")


def in_order_of(ending, reference, splats):
    """The splats of a file beside those that were written: some kinds have their own order."""
    if ending not in (".compressed.ply", ".splat"):
        return splats
    order = np.argsort(morton_order(reference.means))
    if ending == ".splat":
        order = np.array([np.abs(splats.means - mean).sum(1).argmin() for mean in reference.means])
    return SplatArrays(**{name: values[order] for name, values in vars(splats).items()})


def assert_close(read, written, ending):
    """Within half a step of the kind of file; places within what its range leaves."""
    step = {".spz": 2e-6, ".compressed.ply": np.ptp(written.means) / 1023, ".glb": 1e-6, ".splat": 0}[ending]
    np.testing.assert_allclose(read.means, written.means, rtol=0, atol=step)
    log_step = {".spz": 0.0313, ".compressed.ply": 0.01, ".glb": 1e-5, ".splat": 1e-6}[ending]
    np.testing.assert_allclose(np.log(read.scales), np.log(written.scales), rtol=0, atol=log_step)
    np.testing.assert_allclose(read.opacities, written.opacities, rtol=0, atol=1e-6 if ending == ".glb" else 0.00197)
    unit = written.quats / np.linalg.norm(written.quats, axis=1, keepdims=True)
    turned = np.abs((unit * read.quats / np.linalg.norm(read.quats, axis=1, keepdims=True)).sum(1))
    assert turned.min() > (1 - 2e-4 if ending == ".splat" else 1 - 1e-5)
    color_step = {".spz": 0.0132, ".compressed.ply": 0.02, ".glb": 1e-6, ".splat": 0.5 / 255 / SH0 + 1e-6}[ending]
    np.testing.assert_allclose(read.sh0, written.sh0, rtol=0, atol=color_step)
    if ending != ".splat":
        sh_step = {".spz": 0.0626, ".compressed.ply": 0.0157, ".glb": 1e-6}[ending]
        np.testing.assert_allclose(read.shN, written.shN, rtol=0, atol=sh_step)


def gaussians(count, terms):
    """Gaussians whose colors fit into bytes and whose harmonics lie in [-1, 1]."""
    splats = nearest_gaussians(random_splats(count, terms))
    columns = vars(splats) | {
        "scales": np.clip(splats.scales, np.exp(-9), 1),
        "opacities": np.clip(splats.opacities, 0.02, 0.98),
        "sh0": np.clip(splats.sh0, -1.7, 1.7),
        "shN": np.clip(splats.shN, -0.9, 0.9),
    }
    return SplatArrays(**columns)


@pytest.mark.parametrize("terms", [0, 3, 8, 15])
@pytest.mark.parametrize("ending", PACKED)
def test_gaussians_come_back_within_the_steps_of_the_format(tmp_path, ending, terms):
    written = gaussians(300, terms)
    lost = write_splat_file(tmp_path / f"a{ending}", written)
    assert holds_splats(tmp_path / f"a{ending}")
    read = read_splat_file(tmp_path / f"a{ending}")
    assert read.shN.shape[1] == (0 if ending == ".splat" else terms)
    assert lost == (["colors that depend on the direction"] if ending == ".splat" and terms else [])
    assert_close(in_order_of(ending, written, read), written, ending)


@pytest.mark.parametrize("ending", [".spz", ".compressed.ply"])
def test_files_of_another_program_are_read(tmp_path, ending):
    if ending == ".spz":
        pytest.importorskip("zstandard", reason="zstandard is not installed: pip install 'splatkit[spz]'")
    (tmp_path / f"a{ending}").write_bytes(file_of_other_program(ending))
    read = read_splat_file(tmp_path / f"a{ending}")
    expected = written_splats()
    order = [np.abs(read.means - mean).sum(1).argmin() for mean in expected.means]
    read = SplatArrays(**{name: values[order] for name, values in vars(read).items()})
    np.testing.assert_allclose(read.means, expected.means, rtol=0, atol=0.005)
    np.testing.assert_allclose(np.log(read.scales), np.log(expected.scales), rtol=0, atol=0.0313)
    np.testing.assert_allclose(read.opacities, expected.opacities, rtol=0, atol=0.00197)
    assert np.abs((read.quats * expected.quats).sum(1)).min() > 1 - 1e-5
    np.testing.assert_allclose(read.sh0, expected.sh0, rtol=0, atol=0.0132)
    np.testing.assert_allclose(read.shN, expected.shN, rtol=0, atol=0.0626)


def test_a_glb_of_another_program_is_read_in_its_axes(tmp_path):
    """It turned the scene by half a turn about z: harmonics that are odd in x and y together change their sign."""
    (tmp_path / "a.glb").write_bytes(file_of_other_program(".glb"))
    read, expected = read_splat_file(tmp_path / "a.glb"), written_splats()
    np.testing.assert_allclose(read.means, expected.means * [-1, -1, 1], rtol=0, atol=1e-6)
    np.testing.assert_allclose(read.scales, expected.scales, rtol=1e-5)
    np.testing.assert_allclose(read.opacities, expected.opacities, rtol=0, atol=1e-6)
    np.testing.assert_allclose(read.sh0, expected.sh0, rtol=0, atol=1e-6)
    np.testing.assert_allclose(read.shN, expected.shN * np.array([-1, 1, -1])[:, None], rtol=0, atol=1e-6)


def test_spz_of_versions_2_and_3_by_their_description(tmp_path):
    """One splat at (1, -2, 3) in the file's axes, turned a third of a turn about their diagonal (w = x = y = z)."""
    places = b"".join(int(value * 4096).to_bytes(3, "little", signed=True) for value in (1, -2, 3))
    head = struct.pack("<II", 0x5053474E, 2) + struct.pack("<IBBBB", 1, 1, 12, 0, 0)
    body = places + bytes([51, 255, 128, 0]) + bytes([160, 144, 128])
    harmonics = bytes([128 + 64, 128, 128 - 32, *[128] * 3, *[128 + 16] * 3])
    (tmp_path / "two.spz").write_bytes(gzip.compress(head + body + bytes([191] * 3) + harmonics))
    largest_x = 0 << 30 | 361 << 20 | 361 << 10 | 361  # 361 / 511 / sqrt(2) is half; x is what is left
    three = head[:4] + struct.pack("<I", 3) + head[8:] + body + struct.pack("<I", largest_x) + harmonics
    (tmp_path / "three.spz").write_bytes(gzip.compress(three))
    for name in ("two.spz", "three.spz"):
        read = read_splat_file(tmp_path / name)
        np.testing.assert_allclose(read.means, [[1, 2, -3]])
        np.testing.assert_allclose(read.opacities, [0.2], atol=1e-6)
        np.testing.assert_allclose(read.sh0, [[1 / 0.3, 0.5 / 255 / 0.15, -1 / 0.3]], rtol=1e-5)
        np.testing.assert_allclose(np.log(read.scales), [[0, -1, -2]], atol=1e-6)
        np.testing.assert_allclose(read.quats, [[0.5, 0.5, -0.5, -0.5]], atol=0.006)
        # of degree 1 the harmonics are y, z, x: the turn about x changes the sign of the first two
        np.testing.assert_allclose(read.shN[0], np.array([[-0.5, 0, 0.25], [0, 0, 0], [0.125] * 3]))


def test_exponents_lobes_and_comments_that_have_no_room_are_named(tmp_path):
    splats = random_splats(50, 8)
    notes = SplatNotes(comments=("frame: world",))
    gone = "exponents: each splat is the Gaussian nearest to it"
    where = "the frame and units of its coordinates"
    lost = {}
    for kind in SPLAT_FORMATS:
        name = f"a{kind.ending}" if kind.ending.startswith(".") else f"streamed/{kind.ending}"
        lost[kind.ending] = write_splat_file(tmp_path / name, splats, notes)
    assert lost == {
        ".ply": [],
        ".sog": [where],
        ".spz": [gone, where],
        ".compressed.ply": [gone],
        ".glb": [],
        "lod-meta.json": [where],
        ".splat": [gone, "colors that depend on the direction", where],
    }
    shown = nearest_gaussians(splats)
    np.testing.assert_allclose(read_splat_file(tmp_path / "a.spz").opacities, shown.opacities, rtol=0, atol=0.00197)
    exact = read_splat_file(tmp_path / "a.glb")
    np.testing.assert_array_equal(exact.betas, splats.betas)
    np.testing.assert_allclose(exact.scales, splats.scales, rtol=1e-5)


def test_the_longest_ending_decides_and_a_compressed_ply_needs_none(tmp_path):
    assert splat_format(tmp_path / "a.Compressed.PLY") is SPLAT_FORMATS[3]
    assert splat_format(tmp_path / "a.obj") is None
    assert splat_format(tmp_path / "a" / "lod-meta.json") is SPLAT_FORMATS[5]
    assert splat_format(tmp_path / "my-lod-meta.json") is None
    written = gaussians(20, 0)
    write_compressed_ply(tmp_path / "a.ply", written)
    assert holds_splats(tmp_path / "a.ply")
    assert len(read_splat_file(tmp_path / "a.ply").means) == 20
    with pytest.raises(DatasetError, match=r"a\.obj: not a file of splats; expected \.ply, \.sog, "):
        read_splat_file(tmp_path / "a.obj")
    with pytest.raises(ValueError, match=r"a\.obj: splats are written as \.ply, \.sog, .* or \.splat; choose"):
        write_splat_file(tmp_path / "a.obj", written)


def test_glb_files_follow_the_ratified_extension(tmp_path):
    written = gaussians(7, 3)
    write_splat_file(tmp_path / "a.glb", written)
    document, data = split_glb((tmp_path / "a.glb").read_bytes())
    (primitive,) = document["meshes"][0]["primitives"]
    assert document["extensionsUsed"] == ["KHR_gaussian_splatting"]
    assert primitive["mode"] == 0
    assert primitive["extensions"]["KHR_gaussian_splatting"]["kernel"] == "ellipse"
    view = document["bufferViews"][primitive["attributes"]["KHR_gaussian_splatting:SCALE"]]
    stored = np.frombuffer(data, "<f4", 21, view["byteOffset"]).reshape(7, 3)
    np.testing.assert_array_equal(stored, np.asarray(written.scales))  # not their logarithms, as in drafts
    x, y, z, w = document["nodes"][0]["rotation"]
    up = [2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)]  # where the node turns z to
    np.testing.assert_allclose(up, [0, 1, 0], atol=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colorSpace": "lin_rec709_display"}, "its colorSpace is 'lin_rec709_display'"),
        ({"kernel": "box"}, "its kernel is 'box'; this reader knows 'ellipse'"),
        ({"extensions": {"KHR_packed": {}}}, "its splats are packed by KHR_packed, which is not read"),
    ],
)
def test_glb_files_of_other_kinds_are_refused(tmp_path, change, message):
    write_splat_file(tmp_path / "a.glb", gaussians(5, 0))
    document, data = split_glb((tmp_path / "a.glb").read_bytes())
    document["meshes"][0]["primitives"][0]["extensions"]["KHR_gaussian_splatting"] |= change
    (tmp_path / "a.glb").write_bytes(glb_head(document, len(data)) + data)
    with pytest.raises(DatasetError, match=r"a\.glb") as refusal:
        read_splat_file(tmp_path / "a.glb")
    assert message in str(refusal.value)


def test_positions_beyond_what_24_bits_hold_are_refused_or_coarser(tmp_path):
    far = SplatArrays(**(vars(gaussians(5, 0)) | {"means": np.full((5, 3), 5.4e6, np.float32)}))
    write_splat_file(tmp_path / "a.spz", far)  # in steps of a unit
    np.testing.assert_allclose(read_splat_file(tmp_path / "a.spz").means, far.means, rtol=0, atol=0.5)
    farther = SplatArrays(**(vars(far) | {"means": np.full((5, 3), 1e7, np.float32)}))
    with pytest.raises(
        ValueError, match=r"splats: lie up to 1e\+07 from the origin; \.spz holds coordinates up to 8\.39e\+06"
    ):
        write_splat_file(tmp_path / "b.spz", farther)
    assert not (tmp_path / "b.spz").exists()


@pytest.mark.parametrize("ending", PACKED)
def test_damaged_files_are_read_or_refused_by_name_and_nothing_else(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    write_splat_file(path, gaussians(40, 3))
    content, rng, reasons = path.read_bytes(), np.random.default_rng(0), []
    spoiled = [content[:cut] for cut in (0, 3, 15, 16, 40, len(content) // 2, len(content) - 1)]
    for _ in range(150):
        changed = bytearray(content)
        for place in rng.integers(0, rng.choice([40, len(content)]), rng.integers(1, 4)):
            changed[place] = rng.integers(256)
        spoiled.append(bytes(changed))
    for bad in spoiled:
        path.write_bytes(bad)
        try:
            assert np.isfinite(read_splat_file(path).means).all()
        except DatasetError as error:
            reasons.append(str(error))
    assert len(reasons) > 5
    assert all(reason.startswith(f"{path}: ") for reason in reasons)


def test_without_zstandard_the_extra_is_named(tmp_path, monkeypatch):
    (tmp_path / "a.spz").write_bytes(file_of_other_program(".spz"))
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(DatasetError, match=r"pip install 'splatkit\[spz\]'"):
        read_splat_file(tmp_path / "a.spz")


@pytest.mark.parametrize("seed", range(3))
def test_damaged_spz_of_version_4_is_read_or_refused_by_name(tmp_path, seed):
    pytest.importorskip("zstandard", reason="zstandard is not installed: pip install 'splatkit[spz]'")
    path, rng, content = tmp_path / "a.spz", np.random.default_rng(seed), file_of_other_program(".spz")
    refused = 0
    for _ in range(100):
        changed = bytearray(content[: rng.integers(4, len(content) + 1)])
        changed[rng.integers(4, len(changed) + 1) - 1] = rng.integers(256)
        path.write_bytes(bytes(changed))
        try:
            read_splat_file(path)
        except DatasetError:
            refused += 1
    assert refused > 50  # all 100 with each of six seeds


def test_json_of_a_glb_that_is_none_is_refused(tmp_path):
    text = json.dumps([1]).encode().ljust(8)
    (tmp_path / "a.glb").write_bytes(struct.pack("<4sIII4s", b"glTF", 2, 20 + len(text), len(text), b"JSON") + text)
    assert not holds_splats(tmp_path / "a.glb")
    with pytest.raises(DatasetError, match=r"a\.glb: not a \.glb file"):
        read_splat_file(tmp_path / "a.glb")
