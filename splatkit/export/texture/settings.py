"""How a mesh gets its colors; apart from the code that does it, so that commands start at once."""

from dataclasses import dataclass
from typing import Literal

LARGEST_TEXTURE = 16384  # px, what graphics cards take
SMALLEST_TEXTURE = 16
PACKED_SHARE = 0.7  # of a texture, that charts cover
_PAINTED_SHARE = 0.85  # with the texels around them
# Five photographs for each texel that shows a surface (9 bytes each) and its place, normal and color; then the pyramid
# that fills the gaps.
BYTES_PER_TEXEL = _PAINTED_SHARE * (45 + 44) + 40


@dataclass(frozen=True)
class TextureSettings:
    """How a mesh gets its colors."""

    texture: Literal["image", "vertices", "none"] = "image"
    """An image wrapped around the mesh, colors at its vertices, or only the colors that the surface came with."""
    texture_size: int | None = None
    """Width and height of the image, px; by default the power of two that holds what the photographs resolve."""
    max_texture_size: int = 4096
    """Bound of the size that is chosen by default, px."""
    texture_memory_gb: float = 4.0
    """Bound of what coloring may take; a size that is chosen by default stays below it."""
    texture_format: Literal["jpg", "png"] = "jpg"
    """File format of the image; png keeps every bit and is several times as large."""
    unwrap_timeout_s: float = 120.0
    """Seconds to unwrap the mesh in better ways; then the simplest follows. 0 takes that at once."""
    blending: Literal["robust", "mean"] = "robust"
    """Sharp, exposures made equal, what differs from the rest left out; or the plain mean, to compare with."""

    def __post_init__(self) -> None:
        for name in ("texture_size", "max_texture_size"):
            value = getattr(self, name)
            if value is not None and not SMALLEST_TEXTURE <= value <= LARGEST_TEXTURE:
                raise ValueError(f"{name}: expected {SMALLEST_TEXTURE} to {LARGEST_TEXTURE} px, got {value}")
        if not self.texture_memory_gb > 0:
            raise ValueError(f"texture_memory_gb: expected a positive number, got {self.texture_memory_gb}")
        if not self.unwrap_timeout_s >= 0:
            raise ValueError(f"unwrap_timeout_s: expected at least 0, got {self.unwrap_timeout_s}")
        if self.texture_size is not None and self.texture_size**2 * BYTES_PER_TEXEL > self.texture_memory_gb * 1e9:
            needed = self.texture_size**2 * BYTES_PER_TEXEL / 1e9
            raise ValueError(
                f"texture_size: {self.texture_size} px need about {needed:.2g} GB, more than texture_memory_gb = "
                f"{self.texture_memory_gb:g}; choose a smaller size or allow more"
            )
