"""Where a LiDAR sits on a camera: the extrinsic, its standard deviation, and how far it truly is off.

The recording is generated: a board in a hall, photographed and scanned at many poses. With your own, `images` and
`clouds` are two folders whose files have the same names, or the same order.
"""

from pathlib import Path

import numpy as np

from splatkit import CalibrateSettings, calibrate
from splatkit.calibration.settings import BoardSceneSettings
from splatkit.calibration.stage import make_board_scene
from splatkit.geometry.se3 import transform_points, twist_between
from splatkit.io.images import read_image, write_image
from splatkit.io.json_files import read_json
from splatkit.report.overlays import draw_outline, draw_points

SEED = 0
hall, out = Path("hall"), Path("calibration")
BOARD = {"board": "7x5:0.095", "board_size": "0.85x0.61"}  # inner corners and square, then the plate, in meters

make_board_scene(BoardSceneSettings(hall, poses=12, width=800, seed=SEED, **BOARD))

# No first guess and no region of interest. Without intrinsics=, the lens is found from the same boards.
settings = CalibrateSettings(
    (hall / "images",), hall / "clouds", **BOARD, intrinsics=(hall / "camera.yaml",), out=out, workers=1
)
calibrated = calibrate(settings)
print(calibrated.verdict())

# T_camera_lidar takes the LiDAR's coordinates to the camera's: p_camera = R p_lidar + t, in meters.
found = calibrated.calibration
T_camera_lidar = found.solution.T_camera_lidar
sigmas = np.sqrt(np.diag(found.covariance()))  # of rotation (rad) and translation (m), in the camera's axes
print(T_camera_lidar.round(4))

truth = np.array(read_json(hall / "truth.json")["T_camera_lidar"])
twist = twist_between(T_camera_lidar, truth)
degrees, error = np.degrees(np.linalg.norm(twist[:3])), np.linalg.norm(twist[3:])
stated_degrees, stated = np.degrees(np.linalg.norm(sigmas[:3])), np.linalg.norm(sigmas[3:])
print(f"rotation {degrees:.3f} degrees off the truth, stated {stated_degrees:.3f}")
print(f"translation {1000 * error:.1f} mm off the truth, stated {1000 * stated:.1f}")
error_sigmas = np.sqrt(twist @ np.linalg.solve(found.covariance(), twist) / 6)  # 1 where deviations are honest

# The scan of the first frame on its photograph, red is near; and the board's outline as the scan has it.
frame, board = found.frames[0], found.boards[0].T_lidar_board
camera = found.solution.guess.cameras[0]
points = transform_points(T_camera_lidar, frame.scan.points)
pixels, seen = camera.project(points, 0.1)
picture = draw_points(read_image(hall / f"images/{frame.name}.png"), pixels[seen], points[seen, 2], radius=1)
outline = transform_points(T_camera_lidar @ board, found.target.outline())
write_image(Path("calibrate_a_rig.png"), draw_outline(picture, camera.image(outline), (228, 87, 46)))
print("calibrate_a_rig.png: the scan -> the photograph")
