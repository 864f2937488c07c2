"""Settings of the model of the method `ges`; names are splatfacto's where it has the setting."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from nerfstudio.cameras.camera_optimizers import CameraOptimizerConfig
from nerfstudio.models.base_model import ModelConfig

from splatkit.errors import SettingsError
from splatkit.splatting.densification import DensificationSettings
from splatkit.splatting.depth_losses import DepthSettings
from splatkit.splatting.frequency_loss import FrequencySettings
from splatkit.splatting.kernels.table import KERNELS, ShapeSettings
from splatkit.splatting.mcmc import McmcSettings
from splatkit.splatting.regularization import RegularizationSettings
from splatkit.splatting.sky_shell import SkySettings

MAX_LOBES = 8  # more take more numbers than harmonics of degree 3


@dataclass
class GesModelConfig(ModelConfig):
    """Generalized exponential splatting: Gaussian splatting whose splats learn how sharp they are.

    The model that it sets up is named by the method (`method.py`), so that settings do not depend on what they set.
    """

    sh_degree: Literal[0, 1, 2, 3] = 3
    """Degree of the spherical harmonics that make colors depend on the viewing direction."""
    lobes: int = 0
    """Spherical-beta lobes of each splat instead of spherical harmonics above degree 0: two take 12 numbers, not 45."""
    sh_steps: int = 1000
    """Steps between two degrees at most; a run of fewer than four times as many steps shares itself out evenly."""
    shape: ShapeSettings = field(default_factory=ShapeSettings)
    """Which kernel splats have, and how training changes their exponents."""
    background_color: Literal["random", "black", "white"] = "random"
    """Color behind the splats in training; random ones keep splats from leaving holes of that color."""
    rasterize_mode: Literal["classic", "antialiased"] = "classic"
    """Anti-aliased splats keep their look when the image gets smaller or the camera moves away."""
    strategy: Literal["default", "mcmc"] = "default"
    """How the count changes: by gradients (default) or by sampling up to a fixed count (mcmc)."""
    densification: DensificationSettings = field(default_factory=DensificationSettings)
    """When and where splats are added and dropped by the default strategy."""
    mcmc: McmcSettings = field(default_factory=McmcSettings)
    """When splats move and how many there may be, for the strategy mcmc."""
    start: Path | None = None
    """Splats to start from instead of the seed cloud, a file that `splatkit blocks` makes; others in it stay as they
    are."""
    seed_share: float = 0.5
    """Largest share of the cap on splats that a cloud with normals (from a LiDAR) may take; the rest is for growth."""
    ssim_lambda: float = 0.2
    """Weight of the structural part of the loss."""
    frequency: FrequencySettings = field(default_factory=FrequencySettings)
    """Smooth regions first, edges last, as published; off by default."""
    regularization: RegularizationSettings = field(default_factory=RegularizationSettings)
    """Flat splats and normals that agree with the depth."""
    depth: DepthSettings = field(default_factory=DepthSettings)
    """How measured depths and normals are used, where the dataset has them."""
    sky: SkySettings = field(default_factory=SkySettings)
    """How space stays empty where the dataset says that nothing is there."""
    refine_rig: bool = False
    """Correct where the LiDAR was taken to be: one rigid pose for each camera of the dataset's rig."""
    use_scale_regularization: bool = False
    """Punish needles: splats whose longest axis is more than `max_gauss_ratio` times the shortest."""
    max_gauss_ratio: float = 10.0
    """See `use_scale_regularization`."""
    num_downscales: int = 0
    """Training starts with images reduced by this power of two."""
    resolution_schedule: int = 3000
    """Steps until the size of the images doubles."""
    camera_optimizer: CameraOptimizerConfig = field(default_factory=lambda: CameraOptimizerConfig(mode="off"))
    """Corrects the poses of the training images; held-out ones stay as they are."""
    use_bilateral_grid: bool = False
    """Let each photograph have its own exposure and white balance, varying over the image."""
    grid_shape: tuple[int, int, int] = (16, 16, 8)
    """Size of the bilateral grids: width, height, brightness."""
    color_corrected_metrics: bool = False
    """Report metrics also after the colors of the rendering were fitted to those of the photograph."""
    seed: int = 0
    """Seed of the first orientations, of thinning and of splitting."""

    @property
    def sdf_field(self) -> None:
        """What `ns-export marching-cubes` looks for; splats have no distance field."""
        raise SettingsError(
            "ns-export marching-cubes needs a method with a distance field; "
            "of splats `splatkit export mesh` makes a mesh, in the dataset's frame and scale"
        )


def check_model_config(config: GesModelConfig) -> None:
    """Refuse settings that contradict each other, before hours of work; SettingsError says which."""
    sampling = config.strategy == "mcmc"
    name = "mcmc" if sampling else "densification"
    cap = config.mcmc.max_splats if sampling else config.densification.max_splats
    if cap < 1:
        raise SettingsError(f"{name}.max_splats: expected at least 1, got {cap}")
    if not 0 < config.seed_share <= 1:
        raise SettingsError(f"seed_share: expected more than 0 and at most 1, got {config.seed_share:g}")
    if not 0 <= config.lobes <= MAX_LOBES:
        raise SettingsError(f"lobes: expected 0 to {MAX_LOBES}, got {config.lobes}")
    if config.frequency.mode != "off" and not 0 < config.frequency.weight <= 1 - config.ssim_lambda < 1:
        raise SettingsError(
            f"frequency.weight: expected more than 0 and, with ssim_lambda {config.ssim_lambda:g}, at most "
            f"{1 - config.ssim_lambda:g}, got {config.frequency.weight:g}"
        )
    kernel = config.shape.trained
    if config.rasterize_mode == "antialiased" and not kernel.profile.antialiased:
        able = ", ".join(name for name, other in KERNELS.items() if other.profile.antialiased)
        raise SettingsError(f"rasterize_mode: antialiased needs one of shape.kernel {able}, got {kernel.name}")
    if config.shape.gate_pixels > 0 and not kernel.renders_betas:
        able = ", ".join(name for name, other in KERNELS.items() if other.renders_betas)
        raise SettingsError(
            f"shape.gate_pixels: only the kernels {able} render exponents that are trained, got {kernel.name}"
        )
    if not 0 <= config.sky.share < 1:
        raise SettingsError(f"sky.share: expected a number from 0 and below 1, got {config.sky.share}")
    if not config.sky.distance > 2:  # half way to the shell everything belongs to it
        raise SettingsError(f"sky.distance: expected more than 2, got {config.sky.distance}")
    depths = {f"depth.{name}": value for name, value in vars(config.depth).items() if value is not None}
    numbers = {**vars(config.regularization), **depths, "max_gauss_ratio": config.max_gauss_ratio}
    for name, value in {**numbers, "shape.gate_pixels": config.shape.gate_pixels}.items():
        if not value >= 0:
            raise SettingsError(f"{name}: expected a number from 0, got {value}")
