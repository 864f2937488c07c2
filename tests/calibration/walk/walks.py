"""Walks through a room in memory: exact, with normal noise, and made at once."""

import numpy as np
from scipy.spatial.transform import Rotation

from splatkit.calibration.walk.recording import Recording
from splatkit.capture.lidar.registration.alignment import Similarity
from splatkit.geometry.se3 import exp_se3, invert
from splatkit.io.formats.trajectories import Trajectory

NAMES = ("left", "right")
OFFSET_S = 0.07  # LiDAR's clock minus cameras' clock
DURATION_S, PER_S, PHOTOGRAPHS_PER_S = 24.0, 20.0, 2.0
HALF_M = np.array([6.0, 5.0, 2.0])  # of the room
_AXES = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])  # camera's from the LiDAR's


def extrinsics():
    """T_camera_lidar [2, 4, 4]."""
    out = np.tile(np.eye(4), (2, 1, 1))
    for camera, (yaw, place) in enumerate(((50.0, (0.06, 0.1, -0.12)), (-40.0, (0.05, -0.08, -0.11)))):
        R_lidar_camera = Rotation.from_euler("z", yaw, degrees=True).as_matrix() @ _AXES.T
        T = np.eye(4)
        T[:3, :3], T[:3, 3] = R_lidar_camera, place
        out[camera] = invert(T)
    return out


def lidar_path(times, sway_deg=2.5, straight=False):
    """T_world_lidar [N, 4, 4]: an oval that is not a circle, or straight ahead."""
    turn = 2 * np.pi * times / DURATION_S
    out = np.tile(np.eye(4), (len(times), 1, 1))
    if straight:
        out[:, 0, 3] = 8 * times / DURATION_S - 4
        yaw = np.zeros(len(times))
    else:
        out[:, 0, 3], out[:, 1, 3] = 3.5 * np.cos(turn), 2.5 * np.sin(turn) + 0.5 * np.sin(2 * turn)
        yaw = np.arctan2(2.5 * np.cos(turn) + np.cos(2 * turn), -3.5 * np.sin(turn))
    sway = np.deg2rad(sway_deg)
    angles = np.stack([yaw, sway * np.sin(5.3 * times), sway * np.sin(3.1 * times + 1)], 1)
    out[:, :3, :3] = Rotation.from_euler("ZYX", angles).as_matrix()
    out[:, 2, 3] += 0.01 * sway_deg * np.sin(5.3 * times)
    return out


def room(rng, count, faces=(0, 1, 2, 3, 4, 5)):
    """Places [count, 3] on walls, floor and ceiling, and the normals there, inward."""
    face = rng.choice(np.array(faces), count)
    axis, side = face // 2, np.where(face % 2, 1.0, -1.0)
    places = rng.uniform(-1, 1, (count, 3)) * HALF_M
    normals = np.zeros((count, 3))
    normals[np.arange(count), axis] = -side
    places[np.arange(count), axis] = side * HALF_M[axis]
    return places, normals


def make_recording(
    seed=0, *, noise=1.0, sway_deg=2.5, straight=False, faces=(0, 1, 2, 3, 4, 5), points=1500, cameras=(0, 1)
):
    """What is recorded of a walk.

    Args:
        seed: of all noise.
        noise: 1: of the trajectory 0.05 degrees and 5 mm, of structure from motion 0.02 degrees and 2 mm.
        sway_deg: of the rig with each step.
        straight: without curves.
        faces: of the room that the LiDAR and the cameras see: -x, +x, -y, +y, -z, +z.
        points: triangulated.
        cameras: numbers of those that take photographs.
    """
    rng = np.random.default_rng(seed)
    stamps = np.arange(-1.5, DURATION_S + 1.5, 1 / PER_S)
    twists = noise * rng.normal(size=(len(stamps), 6)) * ([np.deg2rad(0.05)] * 3 + [0.005] * 3)
    trajectory = Trajectory(stamps + OFFSET_S, lidar_path(stamps, sway_deg, straight) @ exp_se3(twists))
    moments = np.arange(0, DURATION_S, 1 / PHOTOGRAPHS_PER_S)
    times, which = np.repeat(moments, len(cameras)), np.tile(np.array(cameras), len(moments))
    poses = lidar_path(times, sway_deg, straight) @ invert(extrinsics())[which]
    twists = noise * rng.normal(size=(len(times), 6)) * ([np.deg2rad(0.02)] * 3 + [0.002] * 3)
    planes, normals = room(rng, 6000, faces)
    places, _ = room(rng, points, faces) if points else (np.zeros((0, 3)), None)
    away = Similarity(0.31, Rotation.random(random_state=seed).as_matrix(), np.array([1.0, -2.0, 0.5]))
    return Recording(
        poses=away.apply_to_poses(poses @ exp_se3(twists)),
        times=times,
        which=which,
        names=NAMES,
        trajectory=trajectory,
        points=away.apply(places + noise * 0.01 * rng.normal(size=places.shape)),
        planes=planes + noise * 0.003 * rng.normal(size=planes.shape),
        normals=normals,
    )


def off_by(found, true=None):
    """Rotations [C], deg, and distances [C], m, between extrinsics."""
    true = extrinsics() if true is None else true
    turned = found[:, :3, :3] @ np.swapaxes(true[:, :3, :3], 1, 2)
    apart = invert(found)[:, :3, 3] - invert(true)[:, :3, 3]
    return np.degrees(Rotation.from_matrix(turned).magnitude()), np.linalg.norm(apart, axis=1)
