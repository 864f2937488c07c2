"""The viewer, driven over its websocket as a browser would: what it delivers is what the model renders."""

import io
import socket
import threading
import time

import msgspec
import numpy as np
import pytest
import torch
import viser.transforms as vtf
from nerfstudio.cameras.cameras import CameraType
from nerfstudio.configs.base_config import ViewerConfig
from nerfstudio.scripts.train import main
from nerfstudio.scripts.viewer.run_viewer import _start_viewer
from nerfstudio.utils.eval_utils import eval_setup
from nerfstudio.viewer.render_state_machine import RenderStateMachine
from nerfstudio.viewer.utils import CameraState, get_camera
from nerfstudio.viewer.viewer import VISER_NERFSTUDIO_SCALE_RATIO
from PIL import Image
from websockets.sync.client import connect

from tests.helpers import free_port, wait_until

QUIET_S = 4.0  # the viewer refines a resting picture within two seconds
PATIENCE_S = 300.0  # for a machine that is busy with other things


def deliver(config_path, index, starts_at_photograph=True):
    """Start the viewer on a run, look through training camera `index`.

    starts_at_photograph: the model sends new browsers to its own start view.

    Returns the last picture [H, W, 3] uint8, the model's own rendering of it, and the pipeline.
    """
    config, pipeline, _, step = eval_setup(config_path)
    config.vis = "viewer"
    config.viewer = ViewerConfig(
        websocket_host="127.0.0.1", websocket_port=free_port(), image_format="png", default_composite_depth=False
    )
    threading.Thread(target=_start_viewer, args=(config, pipeline, step), daemon=True).start()
    camera = pipeline.datamanager.train_dataset.cameras[index]
    pose = camera.camera_to_worlds.double()
    fov = 2 * np.arctan(camera.height.item() / 2 / camera.fy.item())
    aspect = camera.width.item() / camera.height.item()
    picture = last_picture(config.viewer.websocket_port, pose.numpy(), fov, aspect, starts_at_photograph)
    stop_rendering()
    state = CameraState(fov=fov, aspect=aspect, c2w=pose, camera_type=CameraType.PERSPECTIVE, time=0.0)
    view = get_camera(state, picture.shape[0], picture.shape[1])
    rendered = (pipeline.model.get_outputs_for_camera(view)["rgb"] * 255).to(torch.uint8).numpy()
    return picture, rendered, pipeline


def last_picture(port, pose, fov, aspect, starts_at_photograph):
    turned = vtf.SO3.from_matrix(pose[:, :3]) @ vtf.SO3.from_x_radians(np.pi)
    message = {
        "type": "ViewerCameraMessage",
        "wxyz": [float(v) for v in turned.wxyz],
        "position": [float(v) * VISER_NERFSTUDIO_SCALE_RATIO for v in pose[:, 3]],
        "fov": float(fov),
        "aspect": float(aspect),
        "look_at": [0.0, 0.0, 0.0],
        "up_direction": [0.0, 0.0, 1.0],
    }
    wait_for(port)
    pictures: list[np.ndarray] = []
    with connect(f"ws://127.0.0.1:{port}", max_size=2**28) as browser:
        browser.recv(timeout=PATIENCE_S)  # the viewer greets before it takes a camera
        browser.send(msgspec.msgpack.encode(message))
        while starts_at_photograph and b"SetCameraLookAtMessage" not in browser.recv(timeout=PATIENCE_S):
            pass  # the first camera is answered with the start view
        browser.send(msgspec.msgpack.encode(message))
        deadline = time.monotonic() + PATIENCE_S  # the first picture takes as long as the machine needs for it
        while True:
            try:
                pictures += received(browser.recv(timeout=QUIET_S))
            except TimeoutError:
                if pictures:
                    return pictures[-1]
                assert time.monotonic() < deadline, "the viewer sends no picture"
                browser.send(msgspec.msgpack.encode(message))  # what comes before it knows the browser is lost


def stop_rendering():
    """Ends the threads that would refine the picture further: Python cannot exit while one is inside of native code."""
    for thread in threading.enumerate():
        if isinstance(thread, RenderStateMachine):
            thread.running, thread.interrupt_render_flag = False, True
            thread.join(PATIENCE_S)
            assert not thread.is_alive()


def received(raw):
    """Pictures [H, W, 3] among the messages of one batch."""
    return [
        np.asarray(Image.open(io.BytesIO(item["rgb_bytes"])).convert("RGB"))
        for item in msgspec.msgpack.decode(raw)
        if item["type"] == "BackgroundImageMessage" and item["rgb_bytes"]
    ]


def wait_for(port):
    def listens():
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            return False
        return True

    wait_until(listens)


@pytest.mark.slow
def test_delivered_picture_equals_the_rendering_of_the_model(trained):
    picture, rendered, _ = deliver(trained, 3)
    assert picture.std() > 5
    assert np.abs(picture.astype(int) - rendered.astype(int)).max() <= 2


@pytest.mark.slow
def test_viewer_of_a_run_with_depths_delivers_and_shows_the_measured_points(make_config, depth_dataset):
    config = make_config("depths", 4)
    config.data = depth_dataset
    main(config)
    picture, rendered, pipeline = deliver(config.get_base_dir() / "config.yml", 3)
    assert np.abs(picture.astype(int) - rendered.astype(int)).max() <= 2
    switch = pipeline.model.show_measured
    assert switch.value is False
    switch.value = True
    panel = pipeline.model.measured_panel
    panel._switch(switch)
    assert panel._handle.visible


@pytest.mark.slow
def test_delivered_picture_shows_the_trained_scene(make_config):
    config = make_config("long", 300)
    config.steps_per_save = 1000
    main(config)
    picture, _, pipeline = deliver(config.get_base_dir() / "config.yml", 5)
    photograph = pipeline.datamanager.cached_train[5]["image"].numpy()
    small = np.asarray(Image.fromarray(picture).resize(photograph.shape[1::-1], Image.Resampling.BOX)) / 255
    psnr = -10 * np.log10(np.mean((small - photograph / 255) ** 2))
    assert psnr > 20


# The host's own: its loader of images has more workers than a small machine has cores, its data parser leaves open an
# image whose size it looked up, and its viewer reads every attribute of the pipeline, deprecated ones too.
@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
@pytest.mark.filterwarnings("ignore:Exception ignored in.*images/:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore:This property will be removed in 2.0.0:DeprecationWarning")  # of torchmetrics
@pytest.mark.slow
@pytest.mark.parametrize("method", ["simplex-nerf", "simplex-sdf"])
def test_delivered_picture_equals_the_rendering_of_a_field(make_ray_config, method):
    config = make_ray_config(method, "viewed", 20)
    main(config)
    picture, rendered, _ = deliver(config.get_base_dir() / "config.yml", 1, starts_at_photograph=False)
    assert picture.std() > 1
    assert np.abs(picture.astype(int) - rendered.astype(int)).max() <= 2
