"""What `splatkit doctor` says of GPUs, drivers and kernels that do or do not fit each other: all of them pretended."""

import pytest
import torch

from splatkit import doctor, doctor_gpu

BUILT = "nvcc 13.0.88 for sm 80-real 90"
TORCH = ["sm_75", "sm_80", "sm_90a", "compute_90"]


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """An H100 with a driver, and kernels that run on the CPU in its name."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (9, 0))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "H100")
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: TORCH)
    monkeypatch.setattr(doctor_gpu.ops, "build_info", lambda: {"cuda": BUILT})
    monkeypatch.setattr(doctor_gpu, "FAMILIES", {"stereo": lambda device: torch.ones(3)})


@pytest.mark.parametrize("name", doctor_gpu.FAMILIES)
def test_what_each_family_computes_is_not_nothing(name: str):
    found = doctor_gpu.FAMILIES[name](torch.device("cpu"))
    assert found.isfinite().all()
    assert found.count_nonzero() > 0


@pytest.mark.parametrize(
    ("built", "capability", "driver", "says"),
    [
        (BUILT, (9, 0), "580.65.06", ""),
        (BUILT, (8, 6), "580.65.06", ""),  # machine code of 8.0
        (BUILT, (12, 0), "580.65.06", "torch"),  # PTX of 9.0, which this torch has too: see the next test
        (BUILT, (7, 5), "580.65.06", "kernels are for sm 80-real 90, the GPU is sm 75: SPLATKIT_CUDA_ARCHS=75"),
        ("nvcc 13.0.88 for sm 90-real", (12, 0), "580.1", "kernels are for sm 90-real, the GPU is sm 120"),
        ("nvcc 12.6.20 for sm 90-virtual, not for this machine's sm 61, which is too old for it", (9, 0), "535.1", ""),
        (BUILT, (9, 0), "570.1", "CUDA 13 of the kernels needs driver 580 or newer, here is 570.1"),
        (BUILT, (9, 0), "", ""),
        ("none", (9, 0), "580.1", "built without CUDA (none): put nvcc on the PATH"),
    ],
)
def test_what_does_not_fit_is_named_with_its_cure(built: str, capability: tuple[int, int], driver: str, says: str):
    of_torch = TORCH[:3] if says == "torch" else [*TORCH, "compute_60"]
    found = doctor_gpu.misfit(built, capability, driver, of_torch)
    if says == "torch":
        assert found.endswith("has no code for sm 120: install another wheel of torch")
    else:
        assert found.startswith(says)
        assert bool(found) == bool(says)


@pytest.mark.usefixtures("gpu")
def test_kernels_that_run_are_named():
    assert doctor_gpu.gpu_kernels_state("580.1") == "all work: stereo"


@pytest.mark.usefixtures("gpu")
def test_a_kernel_that_fails_or_is_wrong_is_named(monkeypatch: pytest.MonkeyPatch):
    def fails(device: torch.device) -> torch.Tensor:
        raise RuntimeError("CUDA, window_variances_kernel: no kernel image is available\nmore")

    monkeypatch.setitem(doctor_gpu.FAMILIES, "stereo", fails)
    found = doctor_gpu.gpu_kernels_state("580.1")
    assert found.startswith("missing (stereo: CUDA, window_variances_kernel: no kernel image is available; update")
    monkeypatch.setitem(doctor_gpu.FAMILIES, "stereo", lambda device: torch.full((3,), float(device.type == "cpu")))
    assert "results differ from the CPU's" in doctor_gpu.gpu_kernels_state("580.1")
    monkeypatch.setitem(doctor_gpu.FAMILIES, "stereo", lambda device: torch.full((3,), torch.nan))
    assert "results differ from the CPU's" in doctor_gpu.gpu_kernels_state("580.1")
    assert doctor_gpu.gpu_kernels_state("570.1").startswith("missing (CUDA 13 of the kernels needs driver 580")


def test_a_gpu_that_torch_does_not_use_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(doctor, "driver_version", lambda: "535.1")
    monkeypatch.setattr(torch.version, "cuda", None)
    assert "is for CPUs: install its CUDA wheel" in dict(doctor.report())["CUDA"]
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    assert "torch with CUDA 13.0 cannot use its driver 535.1: update it" in dict(doctor.report())["CUDA"]
    monkeypatch.setattr(doctor, "driver_version", lambda: "")
    rows = dict(doctor.report())
    assert rows["CUDA"] == "no device; training runs on the CPU"
    assert rows["GPU kernels"] == "not tried: there is no GPU"


@pytest.mark.usefixtures("gpu")
def test_the_gpu_is_described_in_one_line(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(doctor, "driver_version", lambda: "580.1")
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    assert dict(doctor.report())["CUDA"] == "H100, sm 90 (driver 580.1, torch's CUDA 13.0)"


@pytest.mark.parametrize(("prints", "version"), [("580.65.06\n580.65.06", "580.65.06"), ("No devices were found", "")])
def test_the_driver_is_asked_of_nvidia_smi(tmp_path, monkeypatch: pytest.MonkeyPatch, prints: str, version: str):
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\ncat <<EOF\n{prints}\nEOF\n")
    program.chmod(0o755)
    monkeypatch.setattr(doctor.shutil, "which", lambda name: str(program))
    assert doctor.driver_version() == version
    monkeypatch.setattr(doctor.shutil, "which", lambda name: None)
    assert doctor.driver_version() == ""
