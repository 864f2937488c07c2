"""A switch of the viewer that shows what was measured, as a cloud in the scene."""

from typing import Any

import numpy as np
from nerfstudio.viewer.viewer import VISER_NERFSTUDIO_SCALE_RATIO, Viewer
from nerfstudio.viewer.viewer_elements import ViewerCheckbox, ViewerControl
from torch import Tensor

_NAME, _COLOR, _SIZE_PX = "/measured depths", (255, 150, 0), 0.012


class MeasuredPanel(ViewerControl):
    """Found by the viewer among the attributes of the model, as is its checkbox; both do nothing without a viewer."""

    def __init__(self, points: Tensor) -> None:
        super().__init__()
        self._points, self._handle = points, None
        self.checkbox = ViewerCheckbox("Measured depths", default_value=False, cb_hook=self._switch)

    def _setup(self, viewer: Viewer) -> None:
        super()._setup(viewer)
        self._server: Any = viewer.viser_server

    def _switch(self, checkbox: ViewerCheckbox) -> None:
        if self._handle is not None:
            self._handle.visible = checkbox.value
        elif checkbox.value:
            points = self._points.cpu().numpy()
            self._handle = self._server.scene.add_point_cloud(
                _NAME,
                points=points * VISER_NERFSTUDIO_SCALE_RATIO,
                colors=np.tile(np.array(_COLOR, dtype=np.uint8), (len(points), 1)),
                point_size=_SIZE_PX * VISER_NERFSTUDIO_SCALE_RATIO,
            )
