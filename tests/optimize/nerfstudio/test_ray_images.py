"""Methods that train on rays see 16 bits of gray as the 8-bit values that they stand for."""

import numpy as np
import pytest
import torch
from nerfstudio.cameras.cameras import Cameras
from nerfstudio.data.dataparsers.base_dataparser import DataparserOutputs
from nerfstudio.data.scene_box import SceneBox
from PIL import Image

from splatkit.optimize.nerfstudio.ray_images import RayDatamanager, RayImages


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_16_bit_gray(tmp_path, scale):
    """Source: Pillow #3011."""
    gray = np.repeat(np.repeat(np.arange(48, dtype=np.uint16).reshape(6, 8) * 5, 2, 0), 2, 1)
    Image.fromarray(gray * 257).save(tmp_path / "a.png")
    camera = Cameras(torch.eye(4)[None, :3], fx=10.0, fy=10.0, cx=8.0, cy=6.0, width=16, height=12)
    box = SceneBox(aabb=torch.tensor([[-1.0, -1, -1], [1, 1, 1]]))
    images = RayImages(DataparserOutputs([tmp_path / "a.png"], camera, scene_box=box), scale_factor=scale)
    expected = gray[:: int(1 / scale), :: int(1 / scale)]
    np.testing.assert_array_equal(images.get_numpy_image(0), expected[..., None].repeat(3, axis=2))
    assert images.get_image_float32(0).max() == pytest.approx(235 / 255)


def test_the_manager_makes_such_images():
    manager = RayDatamanager.__new__(RayDatamanager)
    assert manager.dataset_type is RayImages
