"""Where the viewer's camera stands when a browser opens.

The host's viewer starts near the origin, which suits its unit cube. Our scenes keep their own frame and size: there the
start may lie inside a wall or far away. So a new browser starts where the first training photograph was taken.
"""

from typing import Any

import numpy as np
from nerfstudio.viewer.viewer import VISER_NERFSTUDIO_SCALE_RATIO, Viewer
from nerfstudio.viewer.viewer_elements import ViewerControl
from numpy.typing import NDArray

_STEP_FORWARD = 0.05  # of the distance to the scene: past the thumbnail that the viewer hangs before each camera


class StartAtFirstPhotograph(ViewerControl):
    """Found by the viewer among the attributes of the model."""

    def _setup(self, viewer: Viewer) -> None:
        super()._setup(viewer)
        viewer.viser_server.on_client_connect(self._place)

    def _place(self, client: Any) -> None:
        poses = self.viewer.pipeline.datamanager.train_dataset.cameras.camera_to_worlds.cpu().numpy()
        position, look_at, up = start_view(poses, self.viewer.pipeline.model.means.detach().cpu().numpy())
        client.camera.up_direction = up
        client.camera.position = position * VISER_NERFSTUDIO_SCALE_RATIO
        client.camera.look_at = look_at * VISER_NERFSTUDIO_SCALE_RATIO


def start_view(
    poses: NDArray[np.floating], points: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Position (a step ahead), point looked at, and up direction of the first camera.

    Args:
        poses: [C, 3, 4] camera-to-world, OpenGL axes.
        points: [N, 3] of the scene; the view turns about a point at their median distance.

    Returns:
        Three [3] vectors. Up is the mean over all cameras: that of photographs is, a single one may be tilted.
    """
    position, forward = poses[0, :, 3].astype(np.float64), -poses[0, :, 2].astype(np.float64)
    ahead = (points - position) @ forward
    distance = float(np.median(ahead[ahead > 0])) if (ahead > 0).any() else 1.0
    up = poses[:, :, 1].astype(np.float64).mean(0)
    if np.linalg.norm(up) < 0.1:  # cameras turned every way
        up = poses[0, :, 1].astype(np.float64)
    start = position + _STEP_FORWARD * distance * forward
    return start, position + distance * forward, up / np.linalg.norm(up)
