"""Datasets of the study of meshes, with and without stereo, and the CPU time that stereo took."""

import json
import resource
import sys
from dataclasses import dataclass
from pathlib import Path

from splatkit.cli import main as splatkit
from splatkit.io.atomic import atomic_file


@dataclass(frozen=True)
class Subject:
    """What is photographed, and how meshes of it are judged."""

    name: str
    scene: str
    voxel: float  # m; about what fusion takes of 320 px wide photographs, but the same whatever a mesh is made of
    farthest: float | None = None  # m from the cameras; beyond lies scenery
    lidar: bool = False


@dataclass(frozen=True)
class Size:
    """Of the photographs, and how much is measured."""

    width: int  # px
    height: int  # px
    views: int
    scans: int


@dataclass(frozen=True)
class Datasets:
    """One subject's."""

    plain: Path
    stereo: Path
    truth: Path  # mesh
    stereo_cpu_s: float  # how much longer it took to make the one with stereo


def make_datasets(subject: Subject, size: Size, out: Path) -> Datasets:
    """Generate the scene and both datasets, unless they are there."""
    scene = out / subject.scene
    options = ["--width", str(size.width), "--height", str(size.height), "--views", str(size.views)]
    _make(scene, ["scene", subject.scene, *options, "--scans", str(size.scans)])
    if not subject.lidar:
        stereo, seconds = _make(out / f"{subject.name}-stereo", ["capture", "stereo", "--dataset", str(scene)])
        return Datasets(scene, stereo, scene / "truth/mesh.ply", seconds)
    measured = ["capture", "lidar", "--scans", str(scene / "lidar"), "--trajectory", str(scene / "trajectory.txt")]
    measured += ["--dataset", str(scene), "--image-times", str(scene / "images.csv")]
    measured += ["--calibration", str(scene / "truth/rig.json")]
    plain, without = _make(out / f"{subject.name}-plain", [*measured, "--stereo", "off"])
    stereo, both = _make(out / f"{subject.name}-stereo", [*measured, "--stereo", "auto"])
    return Datasets(plain, stereo, scene / "truth/mesh.ply", both - without)


def _make(folder: Path, command: list[str]) -> tuple[Path, float]:
    """Run a command of splatkit that makes a folder, unless it has been; CPU-s that it took."""
    record = folder.with_name(f"{folder.name}.json")
    if not (folder.is_dir() and record.is_file()):
        start = _cpu_s()
        if (code := splatkit([*command, "--out", str(folder), "--overwrite"])) != 0:
            sys.exit(code)
        with atomic_file(record) as temporary:
            temporary.write_text(json.dumps({"cpu_s": _cpu_s() - start}) + "\n")
    return folder, json.loads(record.read_text())["cpu_s"]


def _cpu_s() -> float:
    """Of this process and of those that it waited for."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
