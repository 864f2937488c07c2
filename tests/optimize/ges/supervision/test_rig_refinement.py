"""A wrong pose between LiDAR and camera is found from depths that are right, and is reported."""

import json

import numpy as np
import pytest
import torch
from nerfstudio.scripts.train import main

from splatkit.errors import DatasetError
from splatkit.geometry.camera import Camera
from splatkit.geometry.rig import MountedCamera
from splatkit.geometry.se3 import exp_se3
from splatkit.optimize.data.measured_depth import MeasuredDepth
from splatkit.optimize.ges.supervision.rig_refinement import RigRefinement
from splatkit.optimize.ges.view import View
from tests.optimize.test_training import final_state

WIDTH, HEIGHT, FLOOR = 64, 48, 0.01
CAMERA = Camera("pinhole", WIDTH, HEIGHT, 50.0, 50.0, 32.0, 24.0)
STATED = exp_se3(np.array([0.3, -0.2, 0.1, 0.1, 0.2, -0.1]))
TWIST = np.array([0.02, -0.02, 0.015, 0.03, -0.02, 0.03])  # the true pose is exp(TWIST) @ STATED


def rolling_ground(x, y):
    """Depth of a smooth surface that tells all six degrees of freedom apart, at pixels of a view."""
    return 4 + 0.5 * torch.sin(x / 7) + 0.4 * torch.cos(y / 6) + x / 60 - y / 80


def views_of_ground():
    y, x = torch.meshgrid(torch.arange(HEIGHT) + 0.5, torch.arange(WIDTH) + 0.5, indexing="ij")
    return View(CAMERA, torch.eye(4)[None]), rolling_ground(x, y)[..., None]


def stated_measurements(view, rendered):
    """What a LiDAR at its true place measures of the ground, carried over to pixels by the wrong pose."""
    y, x = torch.meshgrid(torch.arange(2, HEIGHT, 2) + 0.5, torch.arange(2, WIDTH, 2) + 0.5, indexing="ij")
    pixels = torch.stack([x.flatten(), y.flatten()], 1)
    true = CAMERA.unproject(pixels, rendered[..., 0][y.long(), x.long()].flatten()).double().numpy()
    wrong = np.linalg.inv(exp_se3(TWIST))
    moved = torch.from_numpy(true @ wrong[:3, :3].T + wrong[:3, 3]).float()
    columns, rows = CAMERA.image(moved).floor().long().unbind(1)
    kept = (columns >= 0) & (columns < WIDTH) & (rows >= 0) & (rows < HEIGHT)
    indices = (rows * WIDTH + columns)[kept].int()
    return MeasuredDepth(indices, moved[kept, 2], torch.full((int(kept.sum()),), 0.01), WIDTH, HEIGHT)


def refinement(covariance=1e-2):
    return RigRefinement([MountedCamera("left", STATED, covariance * np.eye(6))], ["left", None])


def test_a_wrong_pose_is_recovered_from_rendered_depths():
    view, rendered = views_of_ground()
    measured, rig = stated_measurements(view, rendered), refinement()
    optimizer = torch.optim.Adam(rig.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.99)
    for _ in range(300):
        found = rig.refined(measured, view, 0)
        assert found is not None
        moved, points = found
        loss = rig.loss(points, moved.sigmas, rendered, view, FLOOR)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    # Rotations and moves can stand for each other in so narrow a view: what counts is where points come to lie.
    stated = CAMERA.unproject(
        torch.tensor([[5.5, 5.5], [60.5, 9.5], [30.5, 40.5]]), torch.tensor([3.0, 5.0, 4.0])
    ).numpy()
    poses = [
        T[:3, :3] @ stated.T + T[:3, 3:]
        for T in (np.eye(4), exp_se3(rig.twists[0].detach().double().numpy()), exp_se3(TWIST))
    ]
    before, after = (np.linalg.norm(pose - poses[2], axis=0) for pose in poses[:2])
    assert after.max() < 0.3 * before.min()  # pixels are whole, so that each measurement is off by up to half a one


def test_a_certain_pose_stays_and_images_of_other_cameras_are_left_alone():
    view, rendered = views_of_ground()
    measured, rig = stated_measurements(view, rendered), refinement(covariance=1e-12)
    with torch.no_grad():
        rig.twists += 0.01
    moved, points = rig.refined(measured, view, 0)
    (rig.loss(points, moved.sigmas, rendered, view, FLOOR) + rig.prior()).backward()
    assert (rig.twists.grad[0] > 0).all()  # back to what was stated
    assert rig.refined(measured, view, 1) is None


def test_unmoved_measurements_stay_where_they_are():
    view, rendered = views_of_ground()
    measured, rig = stated_measurements(view, rendered), refinement()
    moved, points = rig.refined(measured, view, 0)
    assert torch.equal(moved.indices, measured.indices)
    torch.testing.assert_close(moved.depths, measured.depths)
    torch.testing.assert_close(points[:, 2].detach(), measured.depths)


def test_run_reports_the_refined_pose_beside_its_checkpoints(make_config, depth_dataset, capsys):
    def configure(name, steps):
        config = make_config(name, steps)
        config.data = depth_dataset
        config.pipeline.model.refine_rig = True
        return config

    whole = configure("whole", 8)
    main(whole)
    record = json.loads((whole.get_base_dir() / "rig_refined.json").read_text())
    twists = final_state(whole)["pipeline"]["_model.rig.twists"]
    assert twists.abs().max() > 1e-4
    np.testing.assert_allclose(record["left"]["T_camera_lidar"], exp_se3(twists[0].double().numpy()), atol=1e-6)
    assert "T_camera_lidar of left: turned by" in " ".join(capsys.readouterr().out.split())


def test_dataset_without_a_rig_is_refused(make_config):
    config = make_config("norig", 1)
    config.pipeline.datamanager.data = config.data
    config.pipeline.model.refine_rig = True
    with pytest.raises(DatasetError, match="no rig"):
        config.pipeline.setup(device="cpu", test_mode="val")
