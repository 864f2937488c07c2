"""What a spinning LiDAR measures of a scene while it is carried, with the faults that real ones have."""

import numpy as np
from numpy.typing import NDArray

from splatkit.io.point_cloud import PointCloud
from splatkit.synthetic.defects import LidarFaults
from splatkit.synthetic.description import SpinningLidar
from splatkit.synthetic.tracer import Tracer
from splatkit.synthetic.walk import Array, RigMotion, lidar_beams

_TOGETHER_M = 0.02, 0.5  # surfaces in one beam: nearer together they are one, farther apart the nearest wins
_GRAZING = 0.05  # cosine of the angle of incidence at which half of the returns get lost
_BRIGHTEST = 255.0


def scan_turn(
    tracer: Tracer,
    motion: RigMotion,
    lidar: SpinningLidar,
    start: float,
    faults: LidarFaults,
    rng: np.random.Generator,
) -> PointCloud:
    """One turn that begins at time `start`, in the order of time.

    Points lie in the LiDAR's frame at the moment of each, as sensors give them: only with the motion do they fit
    together. `time` is in seconds like `start`.
    """
    directions, ring, since = lidar_beams(lidar)
    column_poses = motion.poses(start + since[:: lidar.rings])
    poses = np.repeat(column_poses, lidar.rings, axis=0)
    origins, R = poses[:, :3, 3], poses[:, :3, :3]
    world = np.einsum("nij,nj->ni", R, directions)
    center = tracer.measure(origins, world)
    ranges = center.distances
    if faults.divergence_rad > 0:
        ranges = _mixed(tracer, origins, world, ranges, faults.divergence_rad)
    seen = np.isfinite(ranges)
    luck, noise = rng.random(len(ranges)), rng.normal(scale=faults.range_noise_m, size=len(ranges))
    if faults.dropout > 0:
        seen &= luck >= faults.dropout + (1 - faults.dropout) * np.exp2(-center.cosines / _GRAZING)
    measured = ranges + noise
    seen &= (measured >= lidar.nearest_m) & (measured <= lidar.farthest_m)
    return PointCloud(
        points=measured[seen, None] * directions[seen],
        intensity=np.round(_BRIGHTEST * center.brightness[seen] * center.cosines[seen]).astype(np.float32),
        ring=ring[seen],
        time=start + since[seen],
    )


def _mixed(tracer: Tracer, origins: Array, directions: Array, ranges: Array, divergence: float) -> NDArray[np.float64]:
    """Ranges of beams with a width: the mean of what lies close together in them, else the center's."""
    across = np.cross(directions, [0.0, 0.0, 1.0])
    across /= np.linalg.norm(across, axis=-1, keepdims=True)
    up = np.cross(across, directions)
    around = [ranges]
    for side in (across, -across, up, -up):
        around.append(tracer.measure(origins, directions + divergence * side, shade=False).distances)
    spread = np.stack(around)
    near, far = spread.min(0), spread.max(0)
    mixes = (far > near + _TOGETHER_M[0]) & (far < near + _TOGETHER_M[1])
    return np.where(mixes, spread.mean(0), ranges)
