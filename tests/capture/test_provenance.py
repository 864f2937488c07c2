import hashlib
import json
from pathlib import Path

import numpy as np
import pycolmap

import splatkit
from splatkit.capture.provenance import CaptureRecord, write_record
from splatkit.io.provenance import hash_files


def test_the_record_names_sources_versions_and_settings(tmp_path):
    content = bytes(range(256)) * 5000  # more than one piece
    (tmp_path / "a.jpg").write_bytes(content)
    sources = hash_files([tmp_path / "a.jpg"])
    record = CaptureRecord(
        command="splatkit capture images",
        settings={"images": Path("photographs"), "seed": 0},
        sources=sources,
        scale="arbitrary",
        frame="z up",
        figures={"registered": 11, "reprojection_px": 0.4},
        warnings=("one image is blurred",),
    )
    write_record(tmp_path / "capture.json", record)
    read = json.loads((tmp_path / "capture.json").read_text())
    assert read["version"] == splatkit.__version__
    assert read["libraries"]["numpy"] == np.__version__
    assert read["libraries"]["pycolmap"] == pycolmap.__version__
    assert read["sources"] == [
        {"path": str(tmp_path / "a.jpg"), "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    ]
    assert read["settings"] == {"images": "photographs", "seed": 0}
    assert (read["scale"], read["frame"], read["warnings"]) == ("arbitrary", "z up", ["one image is blurred"])
