""".sog: small, close to the splats, readable by others, and clear about damage."""

import io
import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from splatkit.errors import DatasetError
from splatkit.io.splat_formats import quantization
from splatkit.io.splat_formats.quantization import line_codebook, morton_order, vector_palette
from splatkit.io.splat_formats.sog import read_sog, write_sog
from splatkit.io.splats import SplatArrays, bake_factors, write_splats
from splatkit.splatting.spherical_beta import lobe_axes
from tests.io.test_splats import random_splats


def in_order_of(reference: SplatArrays, splats: SplatArrays) -> SplatArrays:
    """The splats of a file, which has its own order, beside those that were written."""
    order = np.argsort(morton_order(reference.means))
    return SplatArrays(**{name: values[order] for name, values in vars(splats).items()})


@pytest.mark.parametrize("terms", [0, 3, 8, 15])
def test_splats_come_back_within_the_steps_of_the_format(tmp_path, terms):
    splats = random_splats(500, terms)
    size = write_sog(tmp_path / "a.sog", splats, palette_size=1000)  # more entries than splats: none is merged
    assert size == (tmp_path / "a.sog").stat().st_size
    read = in_order_of(splats, read_sog(tmp_path / "a.sog"))
    reach = np.expm1(np.log1p(np.abs(splats.means)).max())
    np.testing.assert_allclose(read.means, splats.means, atol=3 * reach / 65535 * (1 + reach))
    off = np.abs(np.log(read.scales / splats.scales))
    assert np.quantile(off, 0.98) < 0.1  # 0.036 to 0.051 over twelve seeds; the tails of the codebook are coarse
    assert off.mean() < 0.02  # 0.008 to 0.009
    unit = splats.quats / np.linalg.norm(splats.quats, axis=1, keepdims=True)
    assert np.abs((unit * read.quats).sum(1)).min() > 1 - 2e-4
    factor = bake_factors(splats.betas)[1].min()
    np.testing.assert_allclose(read.opacities, splats.opacities, atol=0.02 / factor)
    np.testing.assert_allclose(read.betas, splats.betas, atol=0.07)  # 0.019 to 0.037 over twelve seeds
    assert np.abs(read.sh0 - splats.sh0).mean() < 0.01
    assert read.shN.shape == splats.shN.shape
    if terms:
        assert np.abs(read.shN - splats.shN).mean() < 0.02


def test_lobes_keep_their_colors_where_they_point(tmp_path):
    rng = np.random.default_rng(1)
    lobes = np.concatenate(
        [rng.normal(0, 0.2, (500, 2, 3)), rng.normal(0, 4, (500, 2, 2)), rng.normal(0, 1, (500, 2, 1))], 2
    )
    lobes[::3, 1, :3] *= 1e-3  # too faint to be seen
    splats = replace(random_splats(500, 0), lobes=lobes.astype(np.float32))
    write_sog(tmp_path / "a.sog", splats)
    read = in_order_of(splats, read_sog(tmp_path / "a.sog")).lobes
    with zipfile.ZipFile(tmp_path / "a.sog") as archive:
        assert json.loads(archive.read("meta.json"))["splatkit"]["lobes"]["steps"] == [64, 64, 32]
    faint = np.abs(lobes[..., :3]).max(-1) < 1 / 512
    assert faint.sum() > 150
    assert (read[faint][:, :3] == 0).all()
    error = np.abs(read[~faint][:, :3] - lobes[~faint][:, :3])
    assert error.max() < 0.25  # the tails of the codebook are coarse
    assert error.mean() < 0.01
    axes = [lobe_axes(torch.from_numpy(values[~faint])) for values in (read.astype(np.float64), lobes)]
    assert (axes[0] * axes[1]).sum(-1).min() > np.cos(np.radians(3.2))  # half a step of both angles
    np.testing.assert_allclose(read[~faint][:, 5], np.clip(lobes[~faint][:, 5], -4, 4), atol=0.13)


def test_no_splats_make_no_file(tmp_path):
    with pytest.raises(ValueError, match="at least one"):
        write_sog(
            tmp_path / "a.sog", SplatArrays(**{name: values[:0] for name, values in vars(random_splats(3, 0)).items()})
        )


def test_file_is_a_tenth_of_the_ply_for_splats_like_trained_ones(tmp_path):
    splats = random_splats(5000)
    splats = SplatArrays(**{**vars(splats), "shN": (0.05 * splats.shN).astype(np.float32)})
    write_splats(tmp_path / "a.ply", splats)
    assert write_sog(tmp_path / "a.sog", splats) < (tmp_path / "a.ply").stat().st_size / 10


def test_archive_is_what_the_specification_says(tmp_path):
    """Read it as the specification tells a viewer to, without our reader: baked Gaussians."""
    splats = random_splats(300)
    write_sog(tmp_path / "a.sog", splats, antialiased=True, palette_size=64)
    with zipfile.ZipFile(tmp_path / "a.sog") as archive:
        meta = json.loads(archive.read("meta.json"))
        images = {
            name: np.asarray(Image.open(io.BytesIO(archive.read(name))).convert("RGBA")).astype(int)
            for name in archive.namelist()
            if name.endswith(".webp")
        }
    assert (meta["version"], meta["count"], meta["antialias"], meta["shN"]["bands"]) == (2, 300, True, 3)
    for entry in ("scales", "sh0", "shN"):
        assert len(meta[entry]["codebook"]) == 256
    assert images["shN_centroids.webp"].shape == (1, 64 * 15, 4)
    order = morton_order(splats.means)
    width = images["scales.webp"].shape[1]
    for i in (0, 7, 299):
        x, y = i % width, i // width
        beta, opacity, scales = splats.betas[order[i]], splats.opacities[order[i]], splats.scales[order[i]]
        factors = [float(f[0]) for f in bake_factors(np.array([beta]))]
        seen = np.exp([meta["scales"]["codebook"][c] for c in images["scales.webp"][y, x, :3]])
        np.testing.assert_allclose(seen, scales * factors[0], rtol=0.3)
        assert images["sh0.webp"][y, x, 3] / 255 == pytest.approx(opacity * factors[1], abs=0.01)
        label = images["shN_labels.webp"][y, x, 0] + 256 * images["shN_labels.webp"][y, x, 1]
        assert label < meta["shN"]["count"]
        q = images["quats.webp"][y, x]
        assert 252 <= q[3] <= 255


def test_gaussians_need_no_exponents(tmp_path):
    write_sog(tmp_path / "a.sog", random_splats(betas=np.full(64, 2.0)))
    with zipfile.ZipFile(tmp_path / "a.sog") as archive:
        assert "betas.webp" not in archive.namelist()
        assert "splatkit" not in json.loads(archive.read("meta.json"))
    assert (read_sog(tmp_path / "a.sog").betas == 2).all()


def test_single_splat_is_a_file(tmp_path):
    splats = random_splats(1)
    write_sog(tmp_path / "a.sog", splats)
    np.testing.assert_allclose(read_sog(tmp_path / "a.sog").means, splats.means, rtol=1e-4)


def rewritten(source, target, change):
    """A copy of an archive in which `change` edits the dictionary of its members."""
    with zipfile.ZipFile(source) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def edit_meta(members, **entries):
    members["meta.json"] = json.dumps({**json.loads(members["meta.json"]), **entries}).encode()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda m: edit_meta(m, version=3), "version 3"),
        (lambda m: edit_meta(m, count=100000), "pixels for 100000 splats"),
        (lambda m: edit_meta(m, count=0), "no splats"),
        (lambda m: edit_meta(m, scales={"files": ["scales.webp"]}), "codebook"),
        (lambda m: edit_meta(m, quats={"files": ["sh0.webp"]}), "unknown mode"),
        (lambda m: m.pop("means_u.webp"), "means_u.webp"),
        (lambda m: m.pop("meta.json"), "meta.json"),
        (lambda m: m.update({"meta.json": b"{"}), "damaged"),
        (lambda m: m.update({"sh0.webp": m["sh0.webp"][:50]}), "image"),
    ],
)
def test_damage_is_named_with_the_file(tmp_path, change, reason):
    write_sog(tmp_path / "good.sog", random_splats())
    rewritten(tmp_path / "good.sog", tmp_path / "bad.sog", change)
    with pytest.raises(DatasetError, match=r"bad\.sog") as error:
        read_sog(tmp_path / "bad.sog")
    assert reason in str(error.value)


def test_cut_file_other_file_and_no_file_are_named(tmp_path):
    path = tmp_path / "a.sog"
    write_sog(path, random_splats())
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DatasetError, match="cut short"):
        read_sog(path)
    path.write_bytes(b"ply\n")
    with pytest.raises(DatasetError, match=r"a\.sog"):
        read_sog(path)
    with pytest.raises(FileNotFoundError, match=r"no\.sog"):
        read_sog(tmp_path / "no.sog")


def test_splats_that_are_not_finite_are_refused_and_leave_no_file(tmp_path):
    splats = random_splats()
    splats.means[3, 1] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        write_sog(tmp_path / "a.sog", splats)
    assert not list(tmp_path.iterdir())


def test_codebook_puts_its_numbers_where_the_values_are():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(0, 1, 5000), rng.normal(100, 1, 5000)])
    code, labels = line_codebook(values)
    assert ((code > 10) & (code < 90)).sum() == 0
    assert np.abs(code[labels] - values).mean() < 0.02


def test_palette_keeps_few_vectors_and_merges_many():
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(5, 7)).astype(np.float32)
    palette, labels = vector_palette(centers[rng.integers(0, 5, 200)], 8)
    assert len(palette) <= 5
    noisy = (centers[np.arange(1000) % 5] + 0.01 * rng.normal(size=(1000, 7))).astype(np.float32)
    palette, labels = vector_palette(noisy, 40)
    assert len(palette) == 40
    assert np.abs(palette[labels] - noisy).max() < 0.1


def test_many_vectors_get_a_palette_nearly_as_good_in_parts(monkeypatch):
    rng = np.random.default_rng(0)
    vectors = (rng.normal(size=(6000, 9)) * np.linspace(1, 0.1, 9)).astype(np.float32)
    flat, labels = quantization.vector_palette(vectors, 400)
    error = np.square(flat[labels] - vectors).sum(1).mean()
    monkeypatch.setattr(quantization, "_MOST_DISTANCES", 1 << 20)
    parted, labels = quantization.vector_palette(vectors, 400)
    assert len(parted) <= 400
    assert labels.min() >= 0
    assert labels.max() < len(parted)
    assert np.square(parted[labels] - vectors).sum(1).mean() < 1.15 * error
