"""The viewer's switch for measured points: off at first, one cloud at the viewer's scale, shown and hidden."""

from types import SimpleNamespace

import numpy as np
import torch
from nerfstudio.viewer.utils import parse_object
from nerfstudio.viewer.viewer import VISER_NERFSTUDIO_SCALE_RATIO
from nerfstudio.viewer.viewer_elements import ViewerControl, ViewerElement

from splatkit.optimize.nerfstudio.measured_panel import MeasuredPanel


def test_switch_adds_the_cloud_once_and_then_shows_and_hides_it():
    panel = MeasuredPanel(torch.tensor([[1.0, 2.0, 3.0]]))
    added = []

    def add_point_cloud(name, points, colors, point_size):
        added.append((name, points, colors, point_size))
        return SimpleNamespace(visible=True)

    panel._setup(SimpleNamespace(viser_server=SimpleNamespace(scene=SimpleNamespace(add_point_cloud=add_point_cloud))))
    switch = SimpleNamespace(value=False)
    panel._switch(switch)
    assert added == []
    for value in (True, False, True):
        switch.value = value
        panel._switch(switch)
        assert panel._handle is not None
        assert panel._handle.visible == value
    assert len(added) == 1
    np.testing.assert_allclose(added[0][1], np.array([[1.0, 2.0, 3.0]]) * VISER_NERFSTUDIO_SCALE_RATIO)
    assert added[0][2].dtype == np.uint8


def test_viewer_finds_switch_and_control_of_a_model_with_depths_alone(make_config, depth_dataset):
    for data, expected in ((depth_dataset, 1), (None, 0)):
        config = make_config("panel", 1)
        config.pipeline.datamanager.data = data or config.data
        model = config.pipeline.setup(device="cpu", test_mode="val").model
        switches = [e for _, e in parse_object(model, ViewerElement, "") if getattr(e, "name", "") == "Measured depths"]
        controls = [c for _, c in parse_object(model, ViewerControl, "") if isinstance(c, MeasuredPanel)]
        assert len(switches) == len(controls) == expected
        assert all(switch.value is False for switch in switches)
