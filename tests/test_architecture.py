"""The house rules, read from the syntax tree: who imports whom, and which op has which sibling."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "splatkit"

# folder or module -> what of splatkit it may import besides itself and `errors`
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "geometry": set(),
    "reference": {"geometry"},
    "ops": {"_C", "geometry"},
    "io": {"geometry", "ops"},
    "evaluation": {"geometry", "ops", "io"},
    "report": {"geometry", "ops", "io", "evaluation"},
    "splatting": {"ops", "geometry", "io"},
    "encodings": {"ops", "geometry", "io"},
    "isosurface": {"ops", "geometry"},
    "calibration": {"ops", "geometry", "io", "evaluation"},
    "synthetic": {"geometry", "io"},
    "capture": {"calibration", "geometry", "io"},
    "optimize": {"splatting", "encodings", "geometry", "io", "evaluation", "ops"},
    "export": {
        "optimize.load_run",
        "optimize.load_field",
        "splatting",
        "isosurface",
        "ops",
        "geometry",
        "io",
        "evaluation",
    },
}
COMPOSERS = {"pipeline", "cli", "commands", "doctor", "__init__"}  # may import everything
ONLY_IN_OPTIMIZE = {"nerfstudio", "viser", "gsplat"}

# op family -> siblings it promises; the table only ever grows
SIBLINGS = {
    "encodings": [
        "splatkit/reference/encodings.py",
        "cuda/encodings/encodings_cpu.cpp",
        "cuda/encodings/encodings.cu",
        "tests/ops/test_encodings.py",
    ],
    "isosurface": [
        "splatkit/reference/isosurface.py",
        "cuda/isosurface/isosurface_cpu.cpp",
        "cuda/isosurface/isosurface.cu",
        "tests/ops/test_isosurface.py",
    ],
    "photometric": [
        "splatkit/reference/photometric.py",
        "cuda/image/photometric_cpu.cpp",
        "cuda/image/photometric.cu",
        "tests/ops/test_photometric.py",
    ],
    "projection": [
        "splatkit/reference/projection.py",
        "cuda/splatting/projection_cpu.cpp",
        "cuda/splatting/projection.cu",
        "cuda/splatting/spherical_harmonics.cu",
        "tests/ops/test_projection.py",
    ],
    "rasterization": [
        "splatkit/reference/rasterization.py",
        "cuda/splatting/rasterization_cpu.cpp",
        "cuda/splatting/intersection.cu",
        "cuda/splatting/rasterization.cu",
        "tests/ops/test_rasterization.py",
    ],
    "tiny_mlp": [  # a GPU runs torch's layers
        "splatkit/reference/tiny_mlp.py",
        "cuda/networks/tiny_mlp_cpu.cpp",
        "tests/ops/test_tiny_mlp.py",
    ],
}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def unit_of(path: Path) -> str:
    relative = path.relative_to(PACKAGE)
    return relative.parts[0].removesuffix(".py")


def imported_names(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module is not None
            names.add(node.module)
            if node.module == "splatkit":
                names |= {f"splatkit.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "import_module":
            names |= {arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)}
    return names


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path):
    unit = unit_of(path)
    if unit in COMPOSERS:
        return
    for name in imported_names(path):
        if not name.startswith("splatkit."):
            assert unit == "optimize" or name.split(".")[0] not in ONLY_IN_OPTIMIZE, f"{path} imports {name}"
            continue
        target = name.removeprefix("splatkit.")
        allowed = MAY_IMPORT[unit] | {unit, "errors"}
        assert any(target == a or target.startswith(a + ".") for a in allowed), f"{path} imports {name}"


@pytest.mark.parametrize("folder", sorted({p.parent.name for p in (ROOT / "cuda").rglob("*.h")} - {"cuda"}))
def test_native_families_do_not_include_each_other(folder: str):
    families = {"splatting", "encodings", "isosurface", "image", "networks"}
    allowed = {"common", "include", folder} | (families if folder == "bindings" else set())
    for path in [*(ROOT / "cuda" / folder).glob("*.h"), *(ROOT / "cuda" / folder).glob("*.c*")]:
        for line in path.read_text().splitlines():
            if line.startswith('#include "'):
                assert line.split('"')[1].split("/")[0] in allowed, f"{path}: {line}"


@pytest.mark.parametrize("path", sorted((ROOT / "cuda").rglob("*.cu")), ids=lambda path: path.name)
def test_kernel_files_stay_fit_for_the_emulator(path: Path):
    text = path.read_text()
    for banned in ("<<<", "__shared__", "asm", "cooperative_groups"):
        assert banned not in text, f"{path}: {banned}; use common/launch.h, common/block.h or common/device_math.h"
    assert path.name == "device_sort.cu" or "cub::" not in text, f"{path}: CUB belongs into common/device_sort.cu alone"


@pytest.mark.parametrize("family", sorted(SIBLINGS))
def test_every_op_family_has_its_siblings(family: str):
    assert (ROOT / "splatkit" / "ops" / f"{family}.py").is_file()
    for sibling in SIBLINGS[family]:
        assert (ROOT / sibling).is_file(), f"{family} lacks {sibling}"


@pytest.mark.parametrize(
    "path",
    [*modules(), *sorted((ROOT / "scripts").glob("*.py")), *sorted((ROOT / "tests").rglob("*.py"))],
    ids=lambda p: str(p.relative_to(ROOT)),
)
def test_files_are_short_enough_to_hold_in_the_head(path: Path):
    assert len(path.read_text().splitlines()) <= 500


def test_top_level_is_the_agreed_one():
    allowed = {
        "pyproject.toml",
        "splatkit",
        "cuda",
        "scenes",
        "tests",
        "scripts",
        "README.md",
        "Makefile",
        "CHANGELOG.md",
        "LICENSE",
        "NOTICE",
    }
    ignored = {"build", "dist", "outputs", "demo"}
    present = {p.name for p in ROOT.iterdir() if not p.name.startswith(".")}
    assert present <= allowed | ignored
