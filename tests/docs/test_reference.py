"""The page of file formats names every field that files have."""

import ast
import dataclasses

from splatkit.capture.provenance import CaptureRecord
from splatkit.evaluation.mesh_topology import MeshTopology
from splatkit.io import point_cloud
from splatkit.io.dataset_paths import FRAME_FILES
from splatkit.io.formats.transforms_lenses import CAMERA_MODELS
from splatkit.io.provenance import Source
from splatkit.io.scans.readers import READERS
from splatkit.io.splats import LOBE_NAMES
from splatkit.io.transforms_json import SPLIT_NAMES
from tests.docs.pages import ROOT, read_page

TEXT = read_page(ROOT / "docs/reference.md").text


def missing(names):
    return [name for name in names if name not in TEXT]


def names_of(kind):
    return [field.name for field in dataclasses.fields(kind)]


def keys_written(module):
    """Keys of dictionaries that a module spells out."""
    tree = ast.parse((ROOT / "splatkit" / module).read_text(encoding="utf-8"))
    keys = [key for node in ast.walk(tree) if isinstance(node, ast.Dict) for key in node.keys]
    return [key.value for key in keys if isinstance(key, ast.Constant)]


def test_transforms():
    splits = [f"{split}_filenames" for split in SPLIT_NAMES]
    lenses = ["camera_angle_x", "fl_x", "fl_y", "`cx`", "`cy`", "is_fisheye", "k3", "p2"]
    of_the_file = [
        "ply_file_path",
        "applied_transform",
        "applied_scale",
        "depth_unit_scale_factor",
        "local_origin",
        "rig",
    ]
    of_a_frame = ["transform_matrix", "rig_camera", "rig_frame"]
    assert missing([*FRAME_FILES, *CAMERA_MODELS, *splits, *lenses, *of_the_file, *of_a_frame]) == []


def test_clouds():
    names = (*point_cloud._INTENSITY_NAMES, *point_cloud._RING_NAMES, *point_cloud._TIME_NAMES)
    assert missing(name for name in names if name != "scalar_Intensity") == []
    kinds = {
        ".pcd": "PCD",
        ".ply": "PLY",
        ".las": "LAS",
        ".laz": "LAZ",
        ".e57": "E57",
        ".ptx": "PTX",
        ".mcap": "MCAP",
        ".bag": "bags",
        ".db3": "bags",
    }
    assert missing(kinds.get(suffix, suffix) for reader in READERS for suffix in reader.suffixes) == []


def test_calibration_and_records():
    assert missing(keys_written("calibration/calibration_file.py")) == []
    assert missing([*names_of(CaptureRecord), *names_of(Source)]) == []


def test_exports():
    assert missing([*keys_written("export/files/mesh_export.py"), *names_of(MeshTopology)]) == []
    assert missing(["from_input", "local_origin", "georeference", "psnr_after_one_factor_a_channel"]) == []
    assert missing(LOBE_NAMES) == []
