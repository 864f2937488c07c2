"""The house rules, read from the syntax tree: who imports whom, that no files go in circles, and which op has which
sibling.
"""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from splatkit.optimize.methods import METHODS, RECORDS

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "splatkit"

GROUND = {"errors", "progress", "memory"}  # what every room may import

# Room -> what of splatkit its files may import besides each other and the ground floor. A room is a folder or a file,
# without the rooms inside it: "calibration" is the files right in that folder. On the right stands a room, or one file.
MAY_IMPORT: dict[str, set[str]] = {
    "__init__": set(),  # the front door loads a name when it is asked for, see test_public_api.py
    "errors": set(),
    "progress": set(),
    "memory": set(),
    "command_line": set(),
    "messages": set(),
    "progress_bar": {"messages"},
    "geometry": set(),
    "reference": {"geometry"},
    "ops": {"_C"},
    "io": {"geometry"},
    "evaluation": {"geometry", "ops", "io"},
    "report": {"geometry", "io", "evaluation"},
    "splatting": {"ops", "geometry", "io"},
    "encodings": {"ops", "io"},
    "isosurface": {"ops", "geometry"},
    "stereo": {"geometry", "io", "ops"},
    # from what is calibrated with to how far the result is to be trusted, one step at a time
    "calibration.targets": {"geometry", "io"},
    "calibration.detection": {"calibration.targets", "geometry"},
    "calibration.solver": {"calibration.targets", "calibration.views", "geometry"},
    "calibration.quality": {
        "calibration.targets",
        "calibration.detection",
        "calibration.solver",
        "calibration.views",
        "calibration.frames",
        "geometry",
        "io",
    },
    "calibration.surround": {"calibration.settings", "geometry", "io"},
    # photographs and scans that moved are read as `capture lidar` reads them
    "calibration.walk": {
        "calibration",
        "calibration.quality",
        "capture",
        "capture.lidar",
        "geometry",
        "io",
    },
    "calibration": {
        "calibration.targets",
        "calibration.detection",
        "calibration.solver",
        "calibration.quality",
        "geometry",
        "io",
    },
    "synthetic": {"geometry", "io"},
    "synthetic.drive": {"synthetic", "geometry", "io"},
    "synthetic.stage": {
        "synthetic",
        "synthetic.drive",
        "calibration",
        "calibration.targets",
        "calibration.quality",
        "geometry",
        "io",
    },
    # photographs know nothing of scans, and neither of how a rig is calibrated: what the file of it says is read in io
    "capture": {"geometry", "io"},
    "capture.stereo": {"capture", "stereo", "io"},
    "capture.images": {"capture", "capture.stereo", "geometry", "io"},
    "capture.recording": {"capture", "capture.images", "io"},
    "capture.lidar": {"capture", "capture.stereo", "geometry", "io"},
    # what a run is, free of nerfstudio; then the host's border; then methods that know nothing of each other
    "runs": {"splatting", "evaluation", "geometry", "io"},
    "optimize.nerfstudio": {"messages", "runs", "evaluation", "ops", "geometry", "io"},
    "optimize.data": {"progress_bar", "optimize.nerfstudio", "runs", "geometry", "io"},
    "optimize.ges": {
        "optimize.data",
        "optimize.nerfstudio",
        "optimize.method_record",
        "runs",
        "splatting",
        "evaluation",
        "ops",
        "geometry",
        "io",
    },
    "optimize.rays": {"optimize.nerfstudio", "optimize.method_record", "encodings", "ops", "geometry"},
    "optimize": {
        "optimize.data",
        "optimize.nerfstudio",
        "runs",
        "splatting",
        "command_line",
        "geometry",
        "io",
    },
    # surfaces and their colors come of a run without the host; who exports opens the run
    # photographs on a mesh color it, and say where it should be; only then comes the surface that is made so
    "export.texture": {"export.timing", "runs", "geometry", "io"},
    "export.consistency": {"export.texture", "runs", "ops", "geometry"},
    "export.surface": {
        "export.consistency",
        "export.timing",
        "runs",
        "isosurface",
        "evaluation",
        "ops",
        "geometry",
        "io",
    },
    # cameras of other programs are converted as `capture images` reads them
    "export.objects": {"export.surface", "evaluation", "geometry", "io"},
    "export.files": {
        "capture.images",
        "export.open_run",
        "export.settings",
        "export.texture",
        "optimize",
        "runs",
        "splatting",
        "evaluation",
        "geometry",
        "io",
    },
    "export": {
        "export.files",
        "export.objects",
        "export.surface",
        "export.texture",
        "optimize",
        "runs",
        "splatting",
        "evaluation",
        "ops",
        "io",
    },
    # blocks are trained by the ordinary training; what a plan's files were is hashed as a pipeline's are
    "blocks.engines": {"blocks", "messages"},
    "blocks": {
        "blocks.engines",
        "optimize",
        "optimize.ges.start",
        "pipeline.fingerprints",
        "pipeline.lock",
        "report",
        "runs",
        "splatting",
        "evaluation",
        "geometry",
        "io",
    },
    "stages": {
        "blocks.settings",
        "calibration.settings",
        "capture.images.settings",
        "capture.lidar.settings",
        "capture.recording.settings",
        "capture.stereo.settings",
        "export.settings",
        "synthetic.settings",
    },
    "pipeline": {
        "messages",
        "stages",
        "capture.stereo.effort",
        "command_line",
        "optimize.train_settings",
        "optimize.methods",
        "optimize.method_record",
        "runs",
        "evaluation",
        "geometry",
        "io",
    },
    "pages": {
        "calibration",
        "calibration.quality",
        "calibration.surround",
        "calibration.walk",
        "capture",
        "capture.images",
        "capture.lidar",
        "capture.stereo",
        "export",
        "optimize",
        "runs",
        "pipeline",
        "report",
        "geometry",
        "io",
    },
    "doctor": {"ops", "doctor_gpu"},
    "doctor_gpu": {"ops"},
    "commands": {
        "messages",
        "progress_bar",
        "blocks",
        "calibration",
        "calibration.surround",
        "calibration.walk",
        "capture.images",
        "capture.lidar",
        "capture.recording",
        "capture.stereo",
        "export",
        "export.files",
        "synthetic",
        "synthetic.stage",
        "pipeline",
        "pages",
        "optimize.nerfstudio",
        "doctor",
    },
    "cli": {
        "commands",
        "messages",
        "blocks.settings",
        "calibration.settings",
        "capture.images.settings",
        "capture.lidar.settings",
        "capture.recording.settings",
        "capture.stereo.settings",
        "export.settings",
        "synthetic.settings",
    },
}
STATED = tuple(MAY_IMPORT)
for _record in RECORDS:  # the folder of a method that is not named above may import all that `ges` is made of
    MAY_IMPORT.setdefault(f"optimize.{_record.split('.')[0]}", {"optimize.ges", *MAY_IMPORT["optimize.ges"]})
ONLY_IN_OPTIMIZE = {"nerfstudio", "viser", "gsplat"}
MOST_LINES, MOST_FILES = 500, 15

# op family -> siblings it promises; the table only ever grows
SIBLINGS = {
    "encodings": [
        "splatkit/reference/encodings.py",
        "cuda/encodings/encodings_cpu.cpp",
        "cuda/encodings/encodings.cu",
        "tests/ops/test_encodings.py",
    ],
    "adam": [
        "splatkit/reference/adam.py",
        "cuda/optimizer/adam_cpu.cpp",
        "cuda/optimizer/adam.cu",
        "tests/ops/test_adam.py",
    ],
    "isosurface": [
        "splatkit/reference/isosurface.py",
        "cuda/isosurface/isosurface_cpu.cpp",
        "cuda/isosurface/isosurface.cu",
        "tests/ops/test_isosurface.py",
    ],
    "photo_consistency": [
        "splatkit/reference/photo_consistency.py",
        "cuda/photo/consistency_cpu.cpp",
        "cuda/photo/consistency.cu",
        "tests/ops/test_photo_consistency.py",
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
    "stereo": [
        "splatkit/reference/stereo.py",
        "cuda/stereo/stereo_cpu.cpp",
        "cuda/stereo/stereo.cu",
        "tests/ops/test_stereo.py",
    ],
    "tiny_mlp": [  # a GPU runs torch's layers
        "splatkit/reference/tiny_mlp.py",
        "cuda/networks/tiny_mlp_cpu.cpp",
        "tests/ops/test_tiny_mlp.py",
    ],
}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    """A module's name below splatkit, as "io.ply"; of a package's own file that of the package."""
    relative = path.relative_to(PACKAGE).with_suffix("")
    parts = relative.parts[:-1] if relative.name == "__init__" and len(relative.parts) > 1 else relative.parts
    return ".".join(parts)


def within(name: str, whole: str) -> bool:
    return name == whole or name.startswith(whole + ".")


def room_of(name: str) -> str:
    """The smallest room that a module is in."""
    rooms = [room for room in MAY_IMPORT if within(name, room)]
    return max(rooms, key=len) if rooms else name


def executed(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those that only a type checker sees."""
    if isinstance(tree, ast.If) and "TYPE_CHECKING" in {n.id for n in ast.walk(tree.test) if isinstance(n, ast.Name)}:
        return
    yield tree
    for child in ast.iter_child_nodes(tree):
        yield from executed(child)


def imported_names(path: Path) -> set[str]:
    """What a file imports, anywhere in it; of `from a import b` both a and a.b."""
    names = set()
    for node in executed(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module is not None
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "import_module":
            names |= {arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)}
    return names


MODULES = {name_of(path): path for path in modules()}


def ours(names: set[str]) -> set[str]:
    """The modules of splatkit among imported names; `_C`, which is compiled, too."""
    found = {name.removeprefix("splatkit.") for name in names if name.startswith("splatkit.")}
    return {name for name in found if name in MODULES or name == "_C"}


IMPORTS = {name: ours(imported_names(path)) - {name} for name, path in MODULES.items()}


def permits(entry: str, target: str) -> bool:
    """Whether an entry of MAY_IMPORT stands for a module."""
    return room_of(target) == entry if entry in MAY_IMPORT else within(target, entry)


@pytest.mark.parametrize("name", MODULES)
def test_imports_point_one_way(name: str):
    room = room_of(name)
    assert room in MAY_IMPORT, f"{name}: a new room; say in MAY_IMPORT what it may import"
    for target in IMPORTS[name]:
        fine = any(permits(entry, target) for entry in {room, *GROUND, *MAY_IMPORT[room]})
        assert fine, f"splatkit.{name} imports splatkit.{target}"


def test_every_right_to_import_is_used():
    unused = []
    for room in STATED:
        allowed = MAY_IMPORT[room]
        used = {target for name, targets in IMPORTS.items() if room_of(name) == room for target in targets}
        unused += [(room, entry) for entry in allowed if not any(permits(entry, target) for target in used)]
    assert unused == []


@pytest.mark.parametrize("name", [name for name in MODULES if not within(name, "optimize")])
def test_only_optimize_knows_the_host(name: str):
    found = {part.split(".")[0] for part in imported_names(MODULES[name])} & ONLY_IN_OPTIMIZE
    assert not found, f"splatkit.{name} imports {found}"


def test_methods_are_named_in_their_records_alone():
    """Code that compared names would have to be found and changed for each method more."""
    named = {
        name
        for name, path in MODULES.items()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value in METHODS
    }
    assert named == {f"optimize.{record.split(':')[0]}" for record in RECORDS}


def test_no_files_import_each_other_in_a_circle():
    """Imports inside functions count: they hide a circle, they do not open it."""
    open_, closed = list[str](), set[str]()

    def visit(name: str) -> None:
        if name in open_:
            circle = [*open_[open_.index(name) :], name]
            raise AssertionError(" -> ".join(circle))
        if name in closed:
            return
        open_.append(name)
        for target in sorted(IMPORTS.get(name, set())):
            visit(target)
        open_.pop()
        closed.add(name)

    for name in MODULES:
        visit(name)


@pytest.mark.parametrize("folder", sorted({p.parent.name for p in (ROOT / "cuda").rglob("*.h")} - {"cuda"}))
def test_native_families_do_not_include_each_other(folder: str):
    families = {"splatting", "encodings", "isosurface", "image", "networks", "stereo"}
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


def sources() -> list[Path]:
    """All files of Python that people write."""
    return sorted(path for folder in ("splatkit", "scripts", "tests") for path in (ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_files_are_short_enough_to_hold_in_the_head(path: Path):
    assert len(path.read_text().splitlines()) <= MOST_LINES


def test_folders_hold_few_enough_files_to_look_through():
    """Beside `__init__.py`, which only says what the folder is."""
    files = [path for path in sources() if path.name != "__init__.py"]
    counts = Counter(str(path.parent.relative_to(ROOT)) for path in files)
    assert {folder: count for folder, count in counts.items() if count > MOST_FILES} == {}


def test_top_level_is_the_agreed_one():
    allowed = {
        "pyproject.toml",
        "splatkit",
        "cuda",
        "scenes",
        "tests",
        "scripts",
        "docs",
        "mkdocs.yml",
        "README.md",
        "Makefile",
        "CHANGELOG.md",
        "CITATION.cff",
        "CONTRIBUTING.md",
        "LICENSE",
        "NOTICE",
    }
    ignored = {"build", "dist", "outputs", "demo", "site"}
    present = {p.name for p in ROOT.iterdir() if not p.name.startswith(".")}
    assert present <= allowed | ignored
