"""Python in the docs: it compiles, what it imports is there, and what needs nothing but the names in it runs."""

import ast
import importlib
import re
import runpy
from typing import Any

import pytest
import torch

from splatkit.io.images import read_image
from tests.docs.pages import PAGES, ROOT

SNIPPETS = [(page.name, block) for page in PAGES for block in page.blocks("python")]
TUTORIALS = sorted((ROOT / "docs/tutorials").glob("*.py"))

# What holds of the names in a tutorial when it has ended. Beside it: what was measured.
REACHED = {
    # ten seeds: 2.4 to 7.2 mm, 0.03 to 0.12 degrees, 0.8 to 1.4 stated deviations
    "calibrate_a_rig": "error < 0.012 and degrees < 0.2 and error_sigmas < 2",
    "encoding_in_your_network": "loss < first / 10",  # a 23rd
    "flexicubes_on_your_field": "error < first / 10",  # a 70th
    # six seeds: scale 1e-6 off at most, clocks 6e-6 s, depths 29 to 31 mm, the cloud 4.8 to 5.1 mm
    "lidar_and_photographs": "abs(SCALE * scale - 1) < 5e-6 and abs(offset_s - OFFSET_S) < 5e-5 "
    "and error < 0.04 and cloud_error < 0.007",
    # six seeds: 0.54 to 0.62 mm, 8 to 9 %
    "photographs_to_mesh": "error < 0.0009 and missing < 0.13",
    "splats_in_your_own_loop": "loss < first / 10",  # a 38th
}
FROM_PHOTOGRAPHS = {"calibrate_a_rig", "lidar_and_photographs", "photographs_to_mesh"}  # 15 to 20 s each, and a picture


@pytest.mark.parametrize(("page", "code"), SNIPPETS)
def test_snippets_compile_and_import_what_exists(page, code):
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "splatkit":
            module = importlib.import_module(node.module)
            for alias in node.names:
                assert hasattr(module, alias.name), f"{page}: from {node.module} import {alias.name}"


def snippet(word):
    """The snippet of the Python guide that holds a word."""
    (found,) = [code for page, code in SNIPPETS if page == "docs/guide/python.md" and word in code]
    return found


def few_splats():
    one = torch.ones(3)
    means = torch.tensor([[0.0, 0, 2], [0.2, 0, 3], [-0.2, 0.1, 2.5]], requires_grad=True)
    return {
        "means": means,
        "quats": torch.tensor([[1.0, 0, 0, 0]]).expand(3, 4),
        "scales": torch.full((3, 3), 0.2),
        "opacities": 0.8 * one,
        "betas": 2 * one,
        "colors": torch.ones(3, 3),
        "sh": torch.zeros(3, 16, 3),
        "viewmats": torch.eye(4)[None],
        "Ks": torch.tensor([[[20.0, 0, 16], [0, 20, 12], [0, 0, 1]]]),
        "width": 32,
        "height": 24,
    }


def test_the_rendering_snippets_run():
    names = few_splats()
    exec(snippet("was: from gsplat"), names)
    assert names["meta"]["radii"].shape == (3, 2)
    names = few_splats()
    exec(snippet("render_splats("), names)
    assert names["means"].grad.abs().sum() > 0


def test_the_encoding_snippet_runs():
    names: dict[str, Any] = {"positions": torch.rand(5, 3)}
    exec(snippet("from_tcnn_config"), names)
    assert names["features"].shape == (5, 32)
    assert names["cubes"].hash_table.shape[1] == 2


def test_the_surface_snippet_runs():
    axis = torch.linspace(-1, 1, 65)
    distances = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij")).norm(dim=0) - 0.7
    names: dict[str, Any] = {"field": distances.requires_grad_()}
    exec(snippet("cubes.follow"), names)
    assert len(names["surface"].faces) > 1000


def test_the_octree_snippet_runs():
    def near_surface(low, high):
        centers = ((low + high) / 2).norm(dim=1)
        return (centers - 0.6).abs() < (high - low).norm(dim=1)

    names: dict[str, Any] = {"near_surface": near_surface, "field": lambda points: points.norm(dim=-1) - 0.6}
    exec(snippet("Octree.divide"), names)
    assert len(names["surface"].faces) > 100


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=[pytest.mark.slow] if path.stem in FROM_PHOTOGRAPHS else []) for path in TUTORIALS],
    ids=lambda path: path.stem,
)
def test_tutorials_reach_what_they_are_for(path, tmp_path, monkeypatch, capsys):
    """Each is a script that ends on one thread in seconds; those from photographs name the picture they made."""
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        names = runpy.run_path(str(path))
    finally:
        torch.set_num_threads(threads)
    figures = {name: value for name, value in names.items() if isinstance(value, float)}
    figures |= {name: value.item() for name, value in names.items() if torch.is_tensor(value) and value.ndim == 0}
    assert eval(REACHED[path.stem], {}, figures), figures
    said = capsys.readouterr().out
    assert "->" in said
    pictures = [picture for picture in tmp_path.glob("*.png") if read_image(picture).std() > 20]  # not of one color
    assert [picture.name for picture in pictures] == re.findall(r"^(\w+\.png): ", said, re.MULTILINE)
    assert bool(pictures) == (path.stem in FROM_PHOTOGRAPHS)


def test_tutorials_are_listed():
    text = (ROOT / "docs/tutorials/index.md").read_text(encoding="utf-8")
    assert [path.name for path in TUTORIALS if path.name not in text] == []
    assert [path.stem for path in TUTORIALS] == sorted(REACHED)
