"""Fits of encoded fields: they end the same way whether interrupted or not, and refuse what belongs to others."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from splatkit.encodings import SimplexHashEncoding, encoded_field
from splatkit.encodings.encoded_field import EncodedField, FitMismatchError, FitSettings, fit_field
from splatkit.encodings.levels import EncodingLevels
from splatkit.encodings.presets import spend_on_levels


def make_field(levels: int = 3) -> EncodedField:
    torch.manual_seed(0)
    return EncodedField(SimplexHashEncoding(2, levels, 4, 16, 8), 1, (16,))


def draw(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    positions = torch.rand(256, 2, generator=generator)
    return positions, (6 * positions).sin().prod(-1, keepdim=True)


def fit(field: EncodedField, steps: int, checkpoint: Path | None = None) -> float:
    return fit_field(field, draw, torch.nn.functional.mse_loss, FitSettings(steps), checkpoint)


def test_a_fit_learns():
    field = make_field()
    fit(field, 150)
    positions, values = draw(torch.Generator().manual_seed(9))
    # 0.002 to 0.010 over twelve seeds
    assert (field(positions) - values).square().mean() < 0.03 * values.square().mean()


def test_interrupted_and_resumed_fit_ends_with_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    whole, broken, resumed = make_field(), make_field(), make_field()
    fit(whole, 8)
    monkeypatch.setattr(encoded_field, "_SAVE_EVERY_S", 0.0)
    calls = 0

    def killed(generator: torch.Generator) -> tuple[Tensor, Tensor]:
        nonlocal calls
        calls += 1
        if calls == 6:
            raise KeyboardInterrupt
        return draw(generator)

    with pytest.raises(KeyboardInterrupt):
        fit_field(broken, killed, torch.nn.functional.mse_loss, FitSettings(8), tmp_path / "unfinished.pt")
    fit(resumed, 8, tmp_path / "unfinished.pt")
    for a, b in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b)


def test_checkpoints_of_other_fits_are_refused(tmp_path: Path):
    path = tmp_path / "unfinished.pt"
    fit(make_field(), 3, path)
    with pytest.raises(FitMismatchError, match="other settings"):
        fit(make_field(), 4, path)
    with pytest.raises(FitMismatchError, match="not a checkpoint of this fit"):
        fit(make_field(levels=4), 3, path)
    path.write_bytes(b"damaged")
    with pytest.raises(FitMismatchError, match="remove it"):
        fit(make_field(), 3, path)


def test_cpu_time_ends_a_fit():
    steps = 0

    def counted(generator: torch.Generator) -> tuple[Tensor, Tensor]:
        nonlocal steps
        steps += 1
        return draw(generator)

    fit_field(make_field(), counted, torch.nn.functional.mse_loss, FitSettings(10**9, cpu_limit_s=0.05))
    assert 0 < steps < 10**6


@pytest.mark.parametrize(
    ("dims", "num_levels", "log2_size", "max_res"), [(3, 10, 15, 256), (3, 16, 19, 2048), (4, 8, 15, 64)]
)
def test_preset_spends_no_more_than_cubes(dims: int, num_levels: int, log2_size: int, max_res: int):
    levels, size = spend_on_levels(dims, num_levels, log2_size)
    assert num_levels < levels
    assert levels * (dims + 1) <= num_levels * 2**dims
    cubes = EncodingLevels("grid", dims, num_levels, 8, max_res, log2_size).entries
    assert EncodingLevels("simplex", dims, levels, 8, max_res, size).entries == pytest.approx(cubes, rel=0.1)


def test_preset_leaves_two_dimensions_alone():
    assert spend_on_levels(2, 12, 14) == (12, 14)
