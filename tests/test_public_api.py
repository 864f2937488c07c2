"""What `import splatkit` promises: its names, that it loads nothing, what it does without, and its native types."""

import ast
import dataclasses
import importlib
import subprocess
import sys
import typing
from pathlib import Path

import pytest
import torch

import splatkit
from splatkit.errors import DatasetError
from splatkit.splatting.spherical_beta import seed_lobes
from splatkit.stages import STAGES

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "splatkit"

NAMES = [
    "CalibrateSettings",
    "Camera",
    "CaptureImagesSettings",
    "CaptureLidarSettings",
    "CaptureRecordingSettings",
    "CaptureStaticSettings",
    "CaptureStereoSettings",
    "Defects",
    "ExportColmapSettings",
    "ExportMeshSettings",
    "ExportPointsSettings",
    "ExportSplatsSettings",
    "FlexiCubes",
    "LidarFaults",
    "MergeBlocksSettings",
    "PlanBlocksSettings",
    "PosedCamera",
    "Rendering",
    "SceneSettings",
    "SimplexHashEncoding",
    "Splats",
    "SurfaceSettings",
    "TextureSettings",
    "TrainBlocksSettings",
    "TrainSettings",
    "WalkSettings",
    "calibrate",
    "calibrate_walk",
    "capture_images",
    "capture_lidar",
    "capture_recording",
    "capture_static",
    "capture_stereo",
    "export_colmap",
    "export_mesh",
    "export_points",
    "export_splats",
    "load_run",
    "make_scene",
    "merge_blocks",
    "plan_blocks",
    "rasterization",
    "read_splats",
    "render_splats",
    "train",
    "train_blocks",
    "write_splats",
]

LOADED = """
import sys

before = set(sys.modules)
import splatkit
print(*sorted({name.split(".")[0] for name in set(sys.modules) - before} - sys.stdlib_module_names))
"""

BLOCKED = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"nerfstudio", "open3d", "pycolmap"}:
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocked())
"""

RENDERS = """
import torch
from splatkit import Splats, rasterization, read_splats, write_splats

means = torch.tensor([[0.0, 0.0, 2.0], [0.1, 0.0, 3.0]], requires_grad=True)
one = torch.ones(2)
splats = Splats(
    means, torch.tensor([[1.0, 0, 0, 0]]).expand(2, 4), torch.full((2, 3), 0.2), 0.8 * one, torch.ones(2, 3),
    torch.zeros(2, 0, 3), 2 * one,
)
write_splats("splats.ply", splats)
read = read_splats("splats.ply")
assert torch.allclose(read.scales, splats.scales)
K = torch.tensor([[[20.0, 0, 16], [0, 20, 12], [0, 0, 1]]])
done = rasterization(
    means, splats.quats, splats.scales, splats.opacities, betas=splats.betas, colors=splats.sh,
    viewmats=torch.eye(4)[None], Ks=K, width=32, height=24, sh_degree=0,
)
done[0].sum().backward()
assert float(done[1].max()) > 0.5 and float(means.grad.abs().max()) > 0
"""

ENCODES = """
import torch
from splatkit import SimplexHashEncoding

encoding = SimplexHashEncoding(in_dim=3, num_levels=4, log2_hashmap_size=8)
features = encoding(torch.rand(10, 3, generator=torch.Generator().manual_seed(0)))
assert features.shape == (10, 8)
features.sum().backward()
"""

EXTRACTS = """
import torch
from splatkit import FlexiCubes

cubes = FlexiCubes(8)
surface = cubes(lambda points: points.norm(dim=-1) - 0.6)
assert len(surface.faces) > 100
surface.vertices.sum().backward()
"""

CALIBRATES = """
import numpy as np
from splatkit import calibrate  # from folders; below what it does with the frames that it finds there
from splatkit.calibration.calibrate import calibrate_frames
from splatkit.calibration.detection.beams import LidarScan
from splatkit.calibration.detection.extraction import BoardCandidate
from splatkit.calibration.frames import Frame
from splatkit.calibration.quality.simulation import draw_views, example_rig
from splatkit.calibration.targets.target import BoardTarget
from splatkit.geometry.se3 import invert, twist_between

target, rig = BoardTarget(7, 5, 0.095, 0.85, 0.61), example_rig("32")
views, poses = draw_views(rig, target, 8, np.random.default_rng(0))
frames = [
    Frame(
        f"pose{index}",
        view.corners,
        ((rig.camera.width, rig.camera.height),),
        [BoardCandidate(T, view.points, np.arange(len(view.points)), view.rim, view.rim_steps, 1.0, rig.noise.range_m)],
        LidarScan(view.points),
    )
    for index, (view, T) in enumerate(zip(views, invert(rig.T_camera_lidar) @ poses))
]
found = calibrate_frames(frames, target, (rig.camera,))
twist = twist_between(found.solution.T_camera_lidar, rig.T_camera_lidar)
# six times what any of six seeds is off: 0.05 degrees, 3 mm
assert np.degrees(np.linalg.norm(twist[:3])) < 0.3 and np.linalg.norm(twist[3:]) < 0.02
"""


def run(script: str, folder: Path) -> str:
    """What a script prints in a process of its own."""
    done = subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_public_names_are_the_agreed_ones_for_people_and_for_type_checkers():
    assert sorted(splatkit.__all__) == sorted(NAMES)
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    (seen,) = (node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in seen.body if isinstance(node, ast.ImportFrom)]
    typed = {alias.name: f"{node.module}" for node in imports for alias in node.names}
    assert typed == {name: f"splatkit.{module}" for name, module in vars(splatkit)["_MODULES"].items()}
    assert sorted(typed) == sorted(NAMES)
    assert (PACKAGE / "py.typed").is_file()


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_is_what_its_module_calls_so(name: str):
    module = importlib.import_module(f"splatkit.{vars(splatkit)['_MODULES'][name]}")
    assert getattr(splatkit, name) is getattr(module, name)
    assert name in dir(splatkit)
    assert getattr(splatkit, name).__doc__


def test_every_stage_is_public_with_its_settings_and_the_groups_in_them():
    for stage in STAGES.values():
        assert stage.function.split(":")[1] in NAMES
        groups: list[type] = [stage.settings, *typing.get_type_hints(stage.settings).values()]
        assert {group.__name__ for group in groups if dataclasses.is_dataclass(group)} <= set(NAMES), stage.name


def test_a_name_that_does_not_exist_is_named():
    with pytest.raises(AttributeError, match="'splatkit' has no attribute 'rasterisation'"):
        splatkit.rasterisation  # type: ignore[attr-defined]  # noqa: B018 - asking for it is the test
    with pytest.raises(ImportError, match="rasterisation"):
        from splatkit import rasterisation  # type: ignore[attr-defined]  # noqa: F401 - so is importing it


def test_importing_splatkit_loads_nothing_else(tmp_path: Path):
    assert run(LOADED, tmp_path).split() == ["splatkit"]


def test_it_renders_encodes_extracts_and_calibrates_without_nerfstudio_open3d_and_pycolmap(tmp_path: Path):
    run(BLOCKED + RENDERS + ENCODES + EXTRACTS + CALIBRATES, tmp_path)
    with pytest.raises(AssertionError, match="open3d is blocked"):
        run(BLOCKED + "import open3d", tmp_path)


@pytest.mark.parametrize("lobes", [0, 2])
def test_splats_that_are_written_are_read_again(lobes: int, tmp_path: Path):
    generator = torch.Generator().manual_seed(0)
    splats = splatkit.Splats(
        means=torch.randn(20, 3, generator=generator),
        quats=torch.randn(20, 4, generator=generator),
        scales=torch.rand(20, 3, generator=generator) + 0.1,
        opacities=0.2 + 0.5 * torch.rand(20, generator=generator),
        sh0=torch.randn(20, 3, generator=generator),
        shN=torch.randn(20, 0 if lobes else 8, 3, generator=generator),
        betas=1 + 7 * torch.rand(20, generator=generator),
        lobes=seed_lobes(20, lobes, generator),
    )
    splatkit.write_splats(tmp_path / "splats.ply", splats)
    read = splatkit.read_splats(tmp_path / "splats.ply")
    assert isinstance(read, splatkit.Splats)
    for name, value in vars(splats).items():
        torch.testing.assert_close(getattr(read, name), value, atol=1e-5, rtol=1e-5)
    (tmp_path / "broken.ply").write_bytes(b"ply\n")
    with pytest.raises(DatasetError, match=r"broken\.ply"):
        splatkit.read_splats(tmp_path / "broken.ply")


def test_the_stub_of_the_native_module_is_what_nanobind_makes_of_it(tmp_path: Path):
    """Compared as syntax: how a version of nanobind or of the formatter breaks lines does not matter."""
    pytest.importorskip("splatkit._C", reason="the native module is not built")
    stubgen = "from nanobind.stubgen import main; main()"
    command = [sys.executable, "-c", stubgen, "-q", "--exclude-values", "-m", "splatkit._C", "-o"]
    done = subprocess.run([*command, str(tmp_path / "_C.pyi")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    made, kept = (ast.parse(path.read_text()) for path in (tmp_path / "_C.pyi", PACKAGE / "_C.pyi"))
    advice = "python -m nanobind.stubgen -m splatkit._C -O splatkit --exclude-values, then ruff format"
    assert ast.unparse(made) == ast.unparse(kept), f"write it anew: {advice}"
