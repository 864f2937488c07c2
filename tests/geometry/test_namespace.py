"""Arrays and Tensors by the same names; whoever has no Tensor does not load torch."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from splatkit.geometry.namespace import floats, namespace_of


def test_stacks_broadcast():
    a, b = np.arange(6, dtype=np.float32).reshape(2, 3), np.ones((2, 1), np.float32)
    expected = np.stack(np.broadcast_arrays(a, b), -1)
    for arrays in ([a, b], [torch.from_numpy(a), torch.from_numpy(b)]):
        xp = namespace_of(arrays[0])
        stacked, matrix = xp.stack(arrays), xp.matrix([arrays, arrays, arrays])
        np.testing.assert_array_equal(np.asarray(stacked), expected)
        np.testing.assert_array_equal(np.asarray(matrix), np.stack([expected] * 3, -2))
        assert np.asarray(stacked).dtype == np.float32


def test_angles_are_the_same_bits_wherever_arrays_lie():
    """NumPy rounds otherwise where a strided array seems to reach into the result, which lies where it happens to."""
    rng = np.random.default_rng(0)
    points = rng.uniform((-0.5, -0.5, 1.5), (0.5, 0.5, 2.5), (175, 3))
    xp = namespace_of(points)
    expected = xp.arctan2(np.hypot(points[:, 0], points[:, 1]), points[:, 2].copy())
    kept: list[np.ndarray] = []  # moves what comes after it about in memory
    for _ in range(5000):
        kept.append(np.empty(rng.integers(1, 300)))
        if len(kept) > 50:
            del kept[rng.integers(0, 50)]
        found = xp.arctan2(np.hypot(points[:, 0], points[:, 1]), points[:, 2])
        np.testing.assert_array_equal(found, expected)


def test_whole_numbers_become_floats_and_other_shapes_are_refused():
    assert floats("points", [[1, 2, 3]], 3).dtype == np.float64
    assert floats("points", np.ones((1, 3), np.float32), 3).dtype == np.float32
    with pytest.raises(ValueError, match=r"points: expected shape \[N, 3\], got \[\]"):
        floats("points", 1.0, 3)


def test_a_camera_for_numpy_loads_neither_torch_nor_opencv():
    code = (
        "import sys, numpy; from splatkit.geometry.camera import Camera;"
        "Camera('pinhole', 8, 8, 9, 9, 4, 4).project(numpy.ones((1, 3)));"
        "assert not {'torch', 'cv2'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
