"""Splat files of a run: read back and compared, small, pruned by what is seen, and refused where they would lie."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from splatkit.export.files import splat_export
from splatkit.export.files.splat_export import SplatExport, export_splats, largest_contributions
from splatkit.export.settings import ExportSplatsSettings
from splatkit.geometry.camera import Camera, PosedCamera
from splatkit.geometry.se3 import compose
from splatkit.io.images import write_image
from splatkit.io.splat_formats.sog import read_sog
from splatkit.io.splats import read_splats
from splatkit.runs.trained_run import TrainedRun, evaluate, mean_scores
from splatkit.runs.views import RunView
from splatkit.splatting.kernels.compact_beta import CompactBeta
from splatkit.splatting.seeding import splats_from_points
from splatkit.splatting.spherical_beta import seed_lobes
from splatkit.splatting.splat_files import splats_from_arrays
from splatkit.splatting.splats import Splats

WIDTH, HEIGHT = 64, 48


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run whose held-out photographs are what its splats show; every tenth splat is hidden behind the cameras."""
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(400, 3, generator=generator)
    points[::10, 2] = -50.0
    splats = splats_from_points(points, torch.rand(400, 3, generator=generator), 1, 1000, generator)
    values = {
        **vars(splats),
        "opacities": 0.2 + 0.7 * torch.rand(400, generator=generator),
        "betas": 1.2 + 5 * torch.rand(400, generator=generator),
        "shN": 0.1 * torch.randn(400, 3, 3, generator=generator),
    }
    camera = Camera("pinhole", WIDTH, HEIGHT, 60.0, 60.0, WIDTH / 2, HEIGHT / 2)
    views: list[RunView] = []
    for x in (0.3, 0.0, -0.3):
        path = tmp_path / f"{len(views)}.png"
        views.append(
            RunView(path, PosedCamera(path.name, camera, compose(np.eye(3), np.array([x, 0.0, -4.0]))), camera)
        )
    run = TrainedRun(
        splats=Splats(**values),
        sh_degree=1,
        rasterize_mode="classic",
        kernel="generalized_exponential",
        train_views=tuple(views),
        eval_views=tuple(views),
        dataset=tmp_path,
        checkpoint=tmp_path / "step-1.ckpt",
        step=1,
    )
    for view in views:
        write_image(view.image_path, run.image(view.posed).numpy())
    monkeypatch.setattr(splat_export, "load_splat_run", lambda path: run)
    return run


def export(config_path: Path, out: Path, **more) -> SplatExport:
    return export_splats(ExportSplatsSettings(config_path, out, **more))


def test_ply_renders_like_the_run_and_sog_nearly_so(run, tmp_path):
    ply = export(tmp_path / "config.yml", tmp_path / "a.ply")
    sog = export(tmp_path / "config.yml", tmp_path / "a.sog")
    assert ply.psnr_of_run > 50  # the photographs are rounded to bytes
    assert ply.psnr_of_file == pytest.approx(ply.psnr_of_run, abs=0.01)
    assert 30 < sog.psnr_of_file < ply.psnr_of_run
    assert sog.size < ply.size / 2
    assert (ply.count, sog.count, sog.dropped) == (400, 400, 0)


def test_splats_that_add_nothing_to_any_view_are_left_out_where_asked(run, tmp_path):
    contributions = largest_contributions(run)
    hidden = run.splats.means[:, 2] < -10
    assert contributions[hidden].max() == 0
    done = export(tmp_path / "config.yml", tmp_path / "a.ply", min_contribution=1e-3)
    assert done.dropped >= 40
    assert done.psnr_of_file == pytest.approx(done.psnr_of_run, abs=0.01)
    assert read_splats(tmp_path / "a.ply").means[:, 2].min() > -10
    with pytest.raises(ValueError, match="choose a lower one"):
        export(tmp_path / "config.yml", tmp_path / "b.ply", min_contribution=1e9)


def test_contributions_add_up_to_what_the_images_cover(run):
    view = run.render(run.train_views[0].posed)
    one_view = replace(run, train_views=run.train_views[:1])
    assert float(largest_contributions(one_view).sum()) == pytest.approx(float(view.alphas.sum()), rel=1e-4)


def test_smaller_palettes_make_smaller_files(run, tmp_path):
    sizes = [export(tmp_path / "config.yml", tmp_path / f"{n}.sog", palette_size=n).size for n in (16, 400)]
    assert sizes[0] < sizes[1]
    assert read_sog(tmp_path / "16.sog").shN.shape == (400, 3, 3)
    assert len(np.unique(read_sog(tmp_path / "16.sog").shN, axis=0)) <= 16


@pytest.fixture
def with_lobes(run, monkeypatch):
    """The run with two lobes a splat, whose photographs are its own renderings."""
    lobes = seed_lobes(400, 2, torch.Generator().manual_seed(0))
    lobes[..., :3] = 0.1 * torch.randn(400, 2, 3, generator=torch.Generator().manual_seed(1))
    lobes[..., 3:5] += 2 * torch.randn(400, 2, 2, generator=torch.Generator().manual_seed(2))  # angles run free
    changed = replace(run, splats=replace(run.splats, lobes=lobes, shN=torch.zeros(400, 0, 3)), sh_degree=0)
    for view in run.eval_views:
        write_image(view.image_path, changed.image(view.posed).numpy())
    monkeypatch.setattr(splat_export, "load_splat_run", lambda path: changed)
    return changed


@pytest.mark.parametrize("degree", [0, 3])
def test_lobes_come_back_from_both_formats(with_lobes, tmp_path, degree):
    ply = export(tmp_path / "config.yml", tmp_path / "a.ply", viewer_degree=degree)
    sog = export(tmp_path / "config.yml", tmp_path / "a.sog", viewer_degree=degree)
    assert ply.psnr_of_run > 50
    assert ply.psnr_of_file == pytest.approx(ply.psnr_of_run, abs=0.1)
    assert sog.psnr_of_file > 35
    read = splats_from_arrays(read_splats(tmp_path / "a.ply"))
    torch.testing.assert_close(read.lobes, with_lobes.splats.lobes)
    torch.testing.assert_close(read.sh0, with_lobes.splats.sh0, atol=1e-5, rtol=0)


def test_viewers_without_lobes_see_harmonics_that_come_near(with_lobes, tmp_path):
    errors = []
    for degree in (3, 0):
        out = tmp_path / f"{degree}.ply"
        export(tmp_path / "config.yml", out, viewer_degree=degree)
        file = read_splats(out)
        assert file.shN.shape == (400, (degree + 1) ** 2 - 1, 3)
        plain = splats_from_arrays(replace(file, lobes=file.lobes[:, :0]))
        errors.append(mean_scores(evaluate(replace(with_lobes, splats=plain, sh_degree=degree)))[0])
    assert errors[0] > 35  # 46.7 to 57.4 dB over ten seeds
    assert errors[1] < errors[0]  # by 3.2 to 19.3 dB: it hangs on the few sharpest lobes


@pytest.mark.parametrize("name", ["a.ksplat", "a"])
def test_names_that_do_not_fit_are_refused_before_the_run_is_read(tmp_path, name):
    with pytest.raises(
        ValueError, match=r"splats are written as \.ply, .* or \.splat; choose a name with such an ending"
    ):
        export(tmp_path / "no_such_config.yml", tmp_path / name)


@pytest.mark.parametrize("ending", ["spz", "compressed.ply", "glb", "splat"])
def test_other_kinds_say_what_is_lost(run, tmp_path, ending):
    done = export(tmp_path / "config.yml", tmp_path / f"a.{ending}")
    assert done.count == 400
    said = " ".join(done.warnings)
    assert ("exponents: each splat is the Gaussian nearest to it" in said) == (ending != "glb")
    assert ("colors that depend on the direction" in said) == (ending == "splat")
    if ending == "glb":  # which has the exponents
        assert done.psnr_of_file == pytest.approx(done.psnr_of_run, abs=1e-3)
    else:
        assert done.psnr_of_file < done.psnr_of_run


def test_streamed_splats_are_as_large_as_all_their_files(run, tmp_path):
    done = export(tmp_path / "config.yml", tmp_path / "streamed" / "lod-meta.json")
    assert done.size == sum(file.stat().st_size for file in (tmp_path / "streamed").rglob("*") if file.is_file())
    assert done.count == 400
    assert done.psnr_of_file == pytest.approx(export(tmp_path / "config.yml", tmp_path / "a.sog").psnr_of_file, abs=0.5)


def test_existing_file_is_kept(run, tmp_path):
    (tmp_path / "a.ply").write_text("precious")
    with pytest.raises(FileExistsError, match="--overwrite"):
        export(tmp_path / "config.yml", tmp_path / "a.ply")
    assert (tmp_path / "a.ply").read_text() == "precious"


def test_of_kernels_that_files_do_not_hold_the_nearest_gaussians_are_written(run, tmp_path, monkeypatch):
    monkeypatch.setattr(splat_export, "load_splat_run", lambda path: replace(run, kernel="compact_beta"))
    done = export(tmp_path / "config.yml", tmp_path / "a.ply")
    assert "compact_beta" in done.warnings[0]
    read = read_splats(tmp_path / "a.ply")
    scales, opacities = CompactBeta().nearest_gaussian(run.splats.betas)
    np.testing.assert_allclose(read.scales, run.splats.scales * scales[:, None], rtol=1e-5)
    np.testing.assert_allclose(read.opacities, run.splats.opacities * opacities, atol=1e-5)
    assert (read.betas == 2).all()
