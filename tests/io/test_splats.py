"""splats.ply: standard viewers see the nearest Gaussian, our reader the exact splat."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.recfunctions import append_fields, drop_fields
from plyfile import PlyData, PlyElement

from splatkit.errors import DatasetError
from splatkit.io.splats import BAKE_TABLE, SplatArrays, bake_factors, read_splats, write_splats
from splatkit.reference.profiles.gef_weight import gef_weight


def random_splats(count=64, terms=15, betas=None):
    rng = np.random.default_rng(0)
    draw = {
        "means": rng.normal(size=(count, 3)),
        "quats": rng.normal(size=(count, 4)),
        "scales": np.exp(rng.normal(-4, 2, size=(count, 3))),
        "opacities": rng.uniform(0.001, 0.999, size=count),
        "betas": rng.uniform(1, 8, size=count) if betas is None else betas,
        "sh0": rng.normal(size=(count, 3)),
        "shN": rng.normal(size=(count, terms, 3)),
    }
    return SplatArrays(**{name: values.astype(np.float32) for name, values in draw.items()})


@pytest.mark.parametrize("terms", [0, 3, 8, 15])
def test_our_reader_recovers_the_exact_splats(tmp_path, terms):
    splats = random_splats(terms=terms)
    write_splats(tmp_path / "a.ply", splats)
    read = read_splats(tmp_path / "a.ply")
    for name in ("means", "quats", "betas", "sh0", "shN"):
        np.testing.assert_array_equal(getattr(read, name), getattr(splats, name))
    # Logarithm and logit are stored in float32, whose last bit moves a value of size 10 by 1e-6.
    np.testing.assert_allclose(read.scales, splats.scales, rtol=2e-6)
    np.testing.assert_allclose(read.opacities, splats.opacities, atol=1e-6)


def test_lobes_come_back_exactly_and_a_missing_number_is_named(tmp_path):
    lobes = np.random.default_rng(1).normal(size=(64, 2, 6)).astype(np.float32)
    splats = replace(random_splats(), lobes=lobes)
    write_splats(tmp_path / "a.ply", splats)
    np.testing.assert_array_equal(read_splats(tmp_path / "a.ply").lobes, lobes)
    content = (tmp_path / "a.ply").read_bytes()
    (tmp_path / "b.ply").write_bytes(content.replace(b"lobe_1_polar", b"lobe_1_color"))
    with pytest.raises(DatasetError, match="lack lobe_1_polar"):
        read_splats(tmp_path / "b.ply")


def test_gaussians_are_written_as_they_are(tmp_path):
    splats = random_splats(betas=np.full(64, 2.0))
    write_splats(tmp_path / "a.ply", splats)
    vertices = PlyData.read(str(tmp_path / "a.ply"))["vertex"]
    np.testing.assert_allclose(np.exp(vertices["scale_1"]), splats.scales[:, 1], rtol=2e-6)
    np.testing.assert_allclose(1 / (1 + np.exp(-vertices["opacity"])), splats.opacities, atol=1e-6)


def test_layout_is_the_one_of_3dgs_with_beta_at_the_end(tmp_path):
    splats = random_splats()
    write_splats(tmp_path / "a.ply", splats)
    vertices = PlyData.read(str(tmp_path / "a.ply"))["vertex"]
    names = [prop.name for prop in vertices.properties]
    assert names[:9] == ["x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2"]
    assert names[9:54] == [f"f_rest_{k}" for k in range(45)]
    assert names[54:] == ["opacity", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3", "beta"]
    np.testing.assert_array_equal(vertices["f_rest_17"], splats.shN[:, 2, 1])  # channel-major: 17 = 1 * 15 + 2
    np.testing.assert_array_equal(vertices["rot_0"], splats.quats[:, 0])


def profile_error(beta, scale, opacity):
    """Energy of the difference between a Gaussian and the splat's profile over the image plane."""
    r = torch.linspace(0, 1, 4001, dtype=torch.float64) ** 2 * 60  # dense near the center; the widest tail ends at 60
    weight = gef_weight(r * r, torch.tensor(beta, dtype=torch.float64), 1e-4)
    gaussian = opacity * torch.exp(-r * r / (2 * scale**2))
    return torch.trapezoid((gaussian - weight) ** 2 * r, r).item()


@pytest.mark.parametrize("beta", [*BAKE_TABLE[:, 0].tolist(), 1.05, 1.6, 2.8, 6.5])
def test_baked_gaussian_is_the_nearest_one(beta):
    (scale,), (opacity,) = bake_factors(np.array([beta]))
    best = profile_error(beta, scale, opacity)
    # Between the knots of the table the nearest one is approached within 5 % of its error.
    slack = 1e-9 if beta in BAKE_TABLE[:, 0] else 0.05 * best
    for step in (0.99, 1.01):
        assert best <= profile_error(beta, scale * step, opacity) + slack
        if opacity * step <= 1:
            assert best <= profile_error(beta, scale, opacity * step) + slack


def test_baked_profile_is_nearer_than_the_unbaked_one():
    for beta in (1.0, 1.5, 3.0, 8.0):
        (scale,), (opacity,) = bake_factors(np.array([beta]))
        assert profile_error(beta, scale, opacity) < 0.6 * profile_error(beta, 1.0, 1.0)


def test_gaussians_are_a_plain_3dgs_file(tmp_path):
    splats = random_splats(betas=np.full(64, 2.0))
    write_splats(tmp_path / "a.ply", splats)
    assert b"beta" not in (tmp_path / "a.ply").read_bytes().split(b"end_header")[0]
    read = read_splats(tmp_path / "a.ply")
    assert (read.betas == 2).all()
    np.testing.assert_allclose(read.scales, splats.scales, rtol=2e-6)


def test_bad_splats_are_refused(tmp_path):
    splats = random_splats()
    splats.means[3] = np.nan
    with pytest.raises(ValueError, match="1 of 64 have NaN"):
        write_splats(tmp_path / "a.ply", splats)
    assert list(tmp_path.iterdir()) == []


def test_other_ply_files_are_refused(tmp_path):
    (tmp_path / "a.ply").write_text("ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nend_header\n0\n")
    with pytest.raises(DatasetError, match="lack y, z, f_dc_0"):
        read_splats(tmp_path / "a.ply")


def changed(path, change):
    """The splats of a file after a change of its table, written anew."""
    content = PlyData.read(str(path))
    table = content["vertex"].data.copy()
    table = change(table)
    PlyData([PlyElement.describe(table, "vertex")], text=content.text).write(str(path))
    return path


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    bad=st.lists(st.integers(0, 63), min_size=1, max_size=5, unique=True),
    name=st.sampled_from(["x", "f_dc_1", "f_rest_7", "opacity", "scale_2", "rot_3"]),
    value=st.sampled_from([np.nan, np.inf, -np.inf]),
)
def test_splats_that_mean_nothing_are_left_out_and_counted(bad, name, value, tmp_path_factory):
    """Source: MetalSplatter #7, SuperSplat #189, spark #34: what is infinite may well be drawn."""
    splats = random_splats(betas=np.full(64, 2.0))
    path = tmp_path_factory.getbasetemp() / "bad.ply"
    write_splats(path, splats)

    def spoil(table):
        table[name][bad] = value
        return table

    changed(path, spoil)
    drawn = (name == "opacity" and not np.isnan(value)) or (name == "scale_2" and value == -np.inf)
    if drawn:
        read = read_splats(path)
        assert len(read.means) == 64
        if name == "opacity":
            np.testing.assert_array_equal(read.opacities[bad], float(value > 0))
        else:
            assert (read.scales[bad, 2] < 1e-8).all()
            assert (read.scales > 0).all()
        return
    with pytest.warns(UserWarning, match=rf"bad\.ply: {len(bad)} of 64 splats are left out"):
        read = read_splats(path)
    np.testing.assert_array_equal(read.means, np.delete(splats.means, bad, 0))


def test_disks_are_flat_splats(tmp_path):
    splats = random_splats(terms=0, betas=np.full(64, 2.0))
    write_splats(tmp_path / "a.ply", splats)
    changed(tmp_path / "a.ply", lambda table: drop_fields(table, "scale_2", usemask=False))
    read = read_splats(tmp_path / "a.ply")
    np.testing.assert_allclose(read.scales[:, :2], splats.scales[:, :2], rtol=2e-6)
    assert (read.scales[:, 2] < 1e-8).all()


def test_colors_may_stand_for_harmonics(tmp_path):
    write_splats(tmp_path / "a.ply", random_splats(terms=0, betas=np.full(64, 2.0)))

    def recolor(table):
        names = ("f_dc_0", "f_dc_1", "f_dc_2")
        colors = [np.full(64, value, np.uint8) for value in (255, 0, 51)]
        bare = drop_fields(table, names, usemask=False)
        return append_fields(bare, ("red", "green", "blue"), colors, usemask=False)

    changed(tmp_path / "a.ply", recolor)
    colors = read_splats(tmp_path / "a.ply").sh0 * 0.28209479 + 0.5
    np.testing.assert_allclose(colors, np.tile([1.0, 0.0, 0.2], (64, 1)), atol=1e-6)


def test_what_is_not_read_is_one_line(tmp_path):
    write_splats(tmp_path / "b.ply", random_splats())
    changed(tmp_path / "b.ply", lambda table: append_fields(table, "f_rest_45", np.zeros(64, "f4"), usemask=False))
    with pytest.raises(DatasetError, match=r"b\.ply: 46 f_rest properties; .* save it with degree 3"):
        read_splats(tmp_path / "b.ply")
    write_splats(tmp_path / "c.ply", random_splats())
    changed(tmp_path / "c.ply", spoiled_everywhere)
    with pytest.raises(DatasetError, match=r"c\.ply: all 64 splats have parameters that are NaN or infinite"):
        read_splats(tmp_path / "c.ply")


def spoiled_everywhere(table):
    table["x"] = np.nan
    return table
