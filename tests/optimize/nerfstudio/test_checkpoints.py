"""Checkpoints are complete or not there, and loading one runs no code."""

import errno

import pytest
import torch

from splatkit.optimize.nerfstudio import checkpoints
from splatkit.optimize.nerfstudio.checkpoints import (
    CheckpointError,
    list_checkpoints,
    read_checkpoint,
    write_checkpoint,
)


def state(step):
    return {"step": step, "pipeline": {"x": torch.full((3,), float(step))}}


def test_the_newest_two_are_kept_or_all(tmp_path):
    folder = tmp_path / "models"
    for step in (9, 10, 200):
        write_checkpoint(folder, step, state(step), keep_all=False)
    assert [path.name for path in list_checkpoints(folder)] == ["step-000000200.ckpt", "step-000000010.ckpt"]
    write_checkpoint(folder, 300, state(300), keep_all=True)
    assert len(list_checkpoints(folder)) == 3
    assert read_checkpoint(list_checkpoints(folder)[0])["step"] == 300


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("write failed")])
def test_full_disk_leaves_nothing_half_written(tmp_path, monkeypatch, error):
    folder = tmp_path / "models"
    write_checkpoint(folder, 1, state(1), keep_all=False)

    def fill(_, path):
        path.write_bytes(b"half")
        raise error

    monkeypatch.setattr(checkpoints.torch, "save", fill)
    with pytest.raises(OSError, match="cannot be written"):
        write_checkpoint(folder, 2, state(2), keep_all=False)
    assert [path.name for path in folder.iterdir()] == ["step-000000001.ckpt"]
    assert [path.name for path in tmp_path.iterdir()] == ["models"]


def test_kill_while_writing_leaves_no_file_where_the_host_looks(tmp_path, monkeypatch):
    """The host takes any file of the folder for a checkpoint, so not even a temporary one may be there."""
    folder = tmp_path / "models"
    write_checkpoint(folder, 1, state(1), keep_all=False)

    def killed(_, path):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints.torch, "save", killed)
        with pytest.raises(KeyboardInterrupt):
            write_checkpoint(folder, 2, state(2), keep_all=False)
    assert [path.name for path in folder.iterdir()] == ["step-000000001.ckpt"]
    write_checkpoint(folder, 2, state(2), keep_all=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["models"]


class Evil:
    def __reduce__(self):
        return print, ("code ran",)


def test_checkpoint_that_would_run_code_is_refused(tmp_path, capsys):
    torch.save({"step": 1, "pipeline": {}, "evil": Evil()}, tmp_path / "step-000000001.ckpt")
    with pytest.raises(CheckpointError, match="not a readable checkpoint"):
        read_checkpoint(tmp_path / "step-000000001.ckpt")
    assert "code ran" not in capsys.readouterr().out


def test_missing_folder_and_file_are_named(tmp_path):
    with pytest.raises(CheckpointError, match="no such folder"):
        list_checkpoints(tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        read_checkpoint(tmp_path / "step-000000001.ckpt")
