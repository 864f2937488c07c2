"""A mesh beside photographs says how good it is and where it is bad."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from splatkit.evaluation.mesh_rendering import MeshRenderer
from splatkit.export.held_out import compare_with_photographs
from splatkit.geometry.camera import Camera
from splatkit.io.images import to_uint8, write_image
from splatkit.io.mesh import Mesh
from splatkit.runs.views import RunView
from tests.export.texture.boards import board, look_down, ramps

LENS = Camera("pinhole", 60, 60, 60.0, 60.0, 30.0, 30.0)


def view(folder, name, x=0.0, mesh=None, change=lambda image: image) -> RunView:
    """A photograph of the board (or of another mesh) from above, perhaps changed; its name is that of its file."""
    posed = replace(look_down(LENS, x, 0.0, 1.5), name=name)
    image = to_uint8(MeshRenderer(board(ramps) if mesh is None else mesh).render(posed).image)
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    write_image(folder / name, change(image))
    return RunView(folder / name, posed, LENS)


def half() -> Mesh:
    """The board without the face on the upper left of what the views show."""
    whole = board(ramps)
    assert whole.texture is not None
    texture = replace(whole.texture, faces=whole.texture.faces[:1])
    return replace(whole, faces=whole.faces[:1], texture=texture)


def dark(image):
    return (0.5 * image).astype(np.uint8)


def test_a_true_mesh_is_praised_and_the_worst_photograph_comes_first(tmp_path):
    views = [view(tmp_path, f"{i}.png", 0.05 * i) for i in range(5)]
    views[3] = view(tmp_path, "3.png", 0.15, change=lambda image: np.where(image > 100, image, 100))
    done = compare_with_photographs(board(ramps), views, [], shown=2)
    assert done.held_out
    assert [each.name for each in done.shown] == ["3.png", "0.png", "4.png"]
    assert done.scores["0.png"].psnr_all > 50
    assert done.verdict().startswith("held-out photographs: ")
    assert "100 % covered; worst: 3.png (" in done.verdict()
    assert "; wrong color " in done.verdict()
    record = done.record()
    assert (record["photographs"], record["worst"]["name"], record["worst"]["what"]) == (5, "3.png", "wrong color")
    assert list(record["each"]) == [f"{i}.png" for i in range(5)]


def test_a_hole_costs_what_is_seen_through_it(tmp_path):
    done = compare_with_photographs(half(), [view(tmp_path, "0.png")], [], shown=1)
    means = done.means()
    assert means.psnr > 50
    assert means.psnr_all < 12
    assert means.coverage == pytest.approx(0.5, abs=0.02)
    assert (
        f"{means.psnr_all:.1f} dB over all pixels, {means.psnr:.1f} dB where the mesh is, 49 % covered"
        in done.verdict()
    )
    assert done.verdict().endswith(f"worst: 0.png ({means.psnr_all:.1f} dB; uncovered along the top)")
    assert np.isnan(done.vertex_errors[3])
    assert (done.vertex_errors[:3] < 0.01).all()


def test_another_exposure_is_no_wrong_color(tmp_path):
    done = compare_with_photographs(board(ramps), [view(tmp_path, "0.png", change=dark)], [], shown=1)
    assert done.means().psnr_exposed > 40
    assert "dB if exposures were alike)" in done.verdict()
    assert done.verdict().endswith("another exposure)")
    assert (done.vertex_errors < 0.01).all()


def test_where_a_photograph_is_transparent_nothing_may_be(tmp_path):
    def with_alpha(image):
        alpha = np.full((60, 60, 1), 255, np.uint8)
        alpha[:, 40:] = 0
        return np.concatenate([image, alpha], -1)

    done = compare_with_photographs(board(ramps), [view(tmp_path, "0.png", change=with_alpha)], [], shown=1)
    means = done.means()
    assert (means.coverage, means.psnr > 50) == (1.0, True)
    assert means.psnr_all < 12
    assert "surface where nothing is along the right" in done.verdict()


def test_what_a_mask_excludes_does_not_count(tmp_path):
    mask = np.full((60, 60), 255, np.uint8)
    mask[:, 30:] = 0
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    shot = view(tmp_path, "0.png", change=lambda image: np.where(np.arange(60)[:, None] < 30, image, 255))
    scores = [
        compare_with_photographs(board(ramps), [each], [], shown=1).means().psnr_all
        for each in (shot, replace(shot, mask_path=tmp_path / "mask.png"))
    ]
    assert scores[0] < 15
    assert scores[1] > 50


def test_where_nothing_was_held_out_it_says_so(tmp_path):
    views = [view(tmp_path, f"{i:02}.png", 0.01 * i) for i in range(30)]
    done = compare_with_photographs(board(ramps), [], views, shown=2)
    assert not done.held_out
    assert done.verdict().startswith("no photograph was held out; 12 that the mesh was made from, which flatter it: ")
    record = done.record()
    assert record["photographs"] == 0
    assert "psnr" not in record  # nobody may take it for a held-out one's
    assert record["made_from"]["photographs"] == 12
    assert np.isfinite(done.vertex_errors).all()


def test_photographs_of_the_same_name_all_count(tmp_path):
    views = [view(tmp_path, f"camera{i}/0.png", 0.1 * i) for i in range(3)]
    done = compare_with_photographs(board(ramps), views, [], shown=1)
    assert list(done.scores) == ["camera0/0.png", "camera1/0.png", "camera2/0.png"]
