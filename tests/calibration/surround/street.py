"""A flat street with random texture, and four fisheyes on a vehicle that see it: exact, and fast to photograph."""

from dataclasses import replace

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from splatkit.calibration.surround.moments import Moment
from splatkit.calibration.surround.rig import SurroundRig
from splatkit.geometry.camera import Camera

CELL, SIDE = 0.01, 2400  # m, cells
SAMPLES = 3  # of a pixel, each way
MOUNTS = {  # position, m; yaw and pitch, deg
    "front": ((3.75, 0.02, 0.68), 0.4, -32.0),
    "left": ((2.05, 1.02, 0.98), 91.0, -48.0),
    "back": ((-0.90, -0.05, 0.92), 179.5, -38.0),
    "right": ((2.05, -1.02, 0.97), -89.2, -47.0),
}
_AXES = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])


def make_rig(width=480, height=360):
    """The rig as it is."""
    focal = width / 2 / 1.34
    lens = Camera("kannala_brandt", width, height, focal, focal, width / 2, height / 2, (-0.07, 0.004, -0.003, 0.0006))
    poses = []
    for place, yaw, pitch in MOUNTS.values():
        T = np.eye(4)
        T[:3, :3] = Rotation.from_euler("ZY", [yaw, -pitch], degrees=True).as_matrix() @ _AXES
        T[:3, 3] = place
        poses.append(T)
    return SurroundRig(tuple(MOUNTS), (lens,) * 4, np.stack(poses))


def make_texture(seed, contrast=40.0):
    """Gray values [SIDE, SIDE] of a street: coarse and fine noise together."""
    rng, out = np.random.default_rng(seed), np.zeros((SIDE, SIDE), np.float32)
    for cells in (1, 4, 16, 64):
        noise = rng.normal(size=(SIDE // cells,) * 2).astype(np.float32)
        out += cv2.resize(noise, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    return np.clip(120 + contrast * out / out.std(), 0, 255).astype(np.float32)


def photograph(rig, texture, T_ground_vehicle, gains=None):
    """What each camera takes, 0 to 255; black where no ground is."""
    grays = []
    for index, camera in enumerate(rig.cameras):
        T = T_ground_vehicle @ rig.T_vehicle_camera[index]
        rows, columns = (np.mgrid[: camera.height * SAMPLES, : camera.width * SAMPLES] + 0.5) / SAMPLES
        ways = camera.rays(np.stack([columns.ravel(), rows.ravel()], 1)) @ T[:3, :3].T
        down = np.where(ways[:, 2] < -1e-3, ways[:, 2], np.nan)
        places = T[:2, 3] - T[2, 3] / down[:, None] * ways[:, :2]
        at = (places / CELL + SIDE / 2 - 0.5).astype(np.float32).reshape(*rows.shape, 2)
        fine = cv2.remap(texture, at[..., 0], at[..., 1], cv2.INTER_LINEAR)  # black around it
        gray = fine.reshape(camera.height, SAMPLES, camera.width, SAMPLES).mean((1, 3))
        grays.append(np.asarray(gray * (1.0 if gains is None else gains[index]), np.float32))
    return tuple(grays)


def make_moments(rig, count, seed=0, contrast=40.0, lean_deg=0.0, gains=None):
    """Photographs at several places of streets, and how the vehicle leant [count, 3]: rad, rad, m."""
    rng, moments, leans = np.random.default_rng(seed), [], []
    for index in range(count):
        turn = np.deg2rad(lean_deg) * rng.normal(size=2)
        T = np.eye(4)
        T[:3, :3] = Rotation.from_rotvec([*turn, 0]).as_matrix()
        moments.append(Moment(f"{index}", photograph(rig, make_texture([seed, index], contrast), T, gains)))
        leans.append([*turn, 0.0])
    return moments, np.array(leans)


def disturbed(rig, degrees, meters, seed):
    """The rig as it may be stated: all cameras but the first turned and moved at random."""
    rng, poses = np.random.default_rng(seed), rig.T_vehicle_camera.copy()
    for T in poses[1:]:
        T[:3, :3] = Rotation.from_rotvec(np.deg2rad(degrees) * rng.normal(size=3)).as_matrix() @ T[:3, :3]
        T[:3, 3] += meters * rng.normal(size=3)
    return replace(rig, T_vehicle_camera=poses)


def off_by(found, true):
    """Rotations [C], deg, and distances [C], m, between two rigs."""
    turned = found.T_vehicle_camera[:, :3, :3] @ np.swapaxes(true.T_vehicle_camera[:, :3, :3], 1, 2)
    return (
        np.degrees(np.linalg.norm(Rotation.from_matrix(turned).as_rotvec(), axis=1)),
        np.linalg.norm(found.centers - true.centers, axis=1),
    )
