"""What changes over the length of a run: the degree of spherical harmonics, the size of images, the kinds of losses."""

from dataclasses import dataclass

from splatkit.evaluation.image import SSIM_WINDOW


@dataclass
class Schedule:
    """Where a run is, and what follows from that; one that is resumed at a step does there what it would have done."""

    sh_degree: int
    """Highest degree of spherical harmonics."""
    sh_steps: int
    """Steps between two degrees at most; a run too short for that shares itself out evenly."""
    num_downscales: int
    """Training starts with images reduced by this power of two."""
    resolution_schedule: int
    """Steps until the size of the images doubles."""
    step: int = 0
    """Steps done before the present one."""
    total_steps: int = 0
    """Length of the run; 0 while it is unknown."""

    @property
    def progress(self) -> float:
        """Share of the run that is done, 0 to 1."""
        return self.step / max(self.total_steps, 1)

    def active_sh_degree(self) -> int:
        """Degree of spherical harmonics at this step."""
        interval = max(1, min(self.sh_steps, self.total_steps // (self.sh_degree + 1)))
        return min(self.step // interval, self.sh_degree)

    def reduction(self, width: int, height: int) -> int:
        """Power of two by which images of a size (px) are smaller at this step; the window of SSIM must fit."""
        power = max(self.num_downscales - self.step // self.resolution_schedule, 0)
        while power > 0 and min(width, height) >> power < SSIM_WINDOW:
            power -= 1
        return 1 << power

    def resets_exponents(self, every: int) -> bool:
        """Whether exponents are reset after this step: each `every` steps (0: never) in the first half of the run."""
        done = self.step + 1
        return every > 0 and done % every == 0 and done < self.total_steps / 2
