"""The fused optimizer against its definition, on every backend, and against torch's."""

from typing import Any

import pytest
import torch
from torch import Tensor

from splatkit import ops
from splatkit.ops import native
from splatkit.reference import adam as reference
from tests.splat_scenes import Backend

WIDTHS = (3, 1, 4, 45)
SETTINGS: Any = (0.9, 0.999, 1e-15)  # both betas, epsilon


def make_groups(rows: int, seed: int = 0) -> list[list[Tensor]]:
    """Values, gradients, means and squares of each group, float32; some gradients are 0, as of splats out of sight."""
    generator = torch.Generator().manual_seed(seed)
    groups = []
    for width in WIDTHS:
        values, gradients, means = (torch.randn(rows, width, generator=generator) for _ in range(3))
        gradients[::3] = 0
        gradients *= 1e-4
        means *= 1e-4
        means[::6] = 0  # never seen: the root of the square is 0
        groups.append([values, gradients, means, means.square() * torch.rand(rows, width, generator=generator)])
    return groups


def stepped(groups: list[list[Tensor]], steps: list[float], rates: list[float]) -> list[list[Tensor]]:
    """Values, means and squares after the op, which works in place."""
    copies = [[x.clone() for x in group] for group in groups]
    values, gradients, means, squares = (list(column) for column in zip(*copies, strict=True))
    counts = [torch.tensor(step, device=groups[0][0].device) for step in steps]
    ops.adam_step(values, gradients, means, squares, counts, rates, *SETTINGS)
    return [list(group) for group in zip(values, means, squares, strict=True)]


def assert_near(actual: list[Tensor], expected: list[Tensor]) -> None:
    """Values, means and squares up to the rounding of float32 numbers of the size that they are made with."""
    for one, other, size in zip(actual, expected, (1.0, 1e-4, 1e-8), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=5e-7 * size)


def test_a_step_matches_the_definition(backend: Backend):
    steps, rates = [1.0, 2.0, 700.0, 30_000.0], [1e-3, 0.05, 1e-5, 2e-3]
    groups = [[x.to(backend.device) for x in group] for group in make_groups(37)]
    for group, found, step, rate in zip(groups, stepped(groups, steps, rates), steps, rates, strict=True):
        values, gradients, means, squares = (x.cpu().double() for x in group)
        expected = reference.adam_step(values, gradients, means, squares, step, rate, *SETTINGS)
        assert_near([x.cpu().double() for x in found], list(expected))


def test_threads_do_not_change_a_bit():
    groups, before = make_groups(5000), torch.get_num_threads()
    found = []
    try:
        for count in (1, 2, 16):
            torch.set_num_threads(count)
            with ops.native_threads_only():
                found.append(stepped(groups, [3.0] * 4, [0.01] * 4))
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        assert all(torch.equal(a, b) for x, y in zip(other, found[0], strict=True) for a, b in zip(x, y, strict=True))


def test_instruction_sets_agree():
    groups, before = make_groups(500), native().instruction_set()
    try:
        found = [
            stepped(groups, [3.0] * 4, [0.01] * 4)
            for name in ("baseline", "avx2", "avx512")
            if native().use_instruction_set(name)
        ]
    finally:
        native().use_instruction_set(before)
    for other in found[1:]:
        for one, two in zip(other, found[0], strict=True):
            assert_near(one, two)


def test_other_shapes_and_precisions_are_refused():
    groups = make_groups(5)
    with pytest.raises(ValueError, match="gradient"):
        ops.adam_step([groups[0][0]], [groups[1][1]], [groups[0][2]], [groups[0][3]], [torch.ones(())], [1], *SETTINGS)
    with pytest.raises(TypeError, match="values"):
        stepped([[x.double() for x in group] for group in groups], [1.0] * 4, [1.0] * 4)


def test_op_passes_opcheck():
    columns = [list(column) for column in zip(*make_groups(4), strict=True)]
    torch.library.opcheck(torch.ops.splatkit.adam_step, (*columns, [torch.ones(())] * 4, [0.1] * 4, *SETTINGS))
