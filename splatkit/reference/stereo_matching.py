"""How well a plane explains a source view, by its definition: bilaterally weighted windows that the plane carries over.

Pixels are those of pinhole images without skew, counted from the center of the first one, so that K x has its pixel at
K x - 1/2. A plane m [3] holds inverse z-depths: 1 / z = m . (column, row, 1). All numbers are float64; planes, points
and what is made of them have any leading dimensions, which broadcast.

Sources: windows on slanted planes after Bleyer et al. 2011 (PatchMatch Stereo); normalized correlation with bilateral
weights and reprojection errors after Schoenberger et al. 2016 (Pixelwise View Selection for Unstructured MVS).
"""

from typing import NamedTuple

import torch
from torch import Tensor

LEAST_COSINE = 0.05  # between ray and normal
WORST_COST = 2.0
MOST_TAPER = 0.5  # how much nearer or farther than its middle a window's corner may be, as a share
WINDOW_RADIUS = 5  # px
_IN_FRONT = 1e-9  # least homogeneous coordinate of a point that a camera sees


class Settings(NamedTuple):
    """How planes are judged; as `ops.stereo.MatchingSettings`."""

    color_sigma: float  # of grays from 0 to 255
    space_sigma: float  # px
    noise: float  # variance of grays
    geometric_weight: float  # cost a px
    geometric_limit: float  # px


class Source(NamedTuple):
    """A view that a reference is matched with."""

    grays: Tensor  # [h, w] 0 to 255
    K: Tensor  # [3, 3] px, pixel centers at +0.5
    T: Tensor  # [4, 4] T_source_reference
    planes: Tensor | None  # [h, w, 3] what it found before


class Window(NamedTuple):
    """The samples around pixels, and what they are worth."""

    weights: Tensor  # [..., 32] sum 1
    grays: Tensor  # [..., 32]

    @property
    def variances(self) -> Tensor:
        """Weighted variances of the grays [...]."""
        return (self.weights * self.deviations**2).sum(-1)

    @property
    def deviations(self) -> Tensor:
        """Distances of the grays from their weighted mean [..., 32]."""
        return self.grays - (self.weights * self.grays).sum(-1, keepdim=True)


def homogeneous(points: Tensor) -> Tensor:
    """Points [..., 2] with a one behind."""
    return torch.cat([points, torch.ones_like(points[..., :1])], -1)


def from_first_center(K: Tensor) -> Tensor:
    """K for pixels that are counted from the center of the first one."""
    shift = torch.zeros_like(K)
    shift[:2, 2] = 0.5
    return K - shift


def rays(K: Tensor, points: Tensor) -> Tensor:
    """Points of depth 1 [..., 3] behind pixels [..., 2]."""
    return homogeneous(points) @ torch.linalg.inv(from_first_center(K)).T


def inverse_depths(planes: Tensor, points: Tensor) -> Tensor:
    """1 / z [...] of planes [..., 3] at pixels [..., 2]."""
    return (planes * homogeneous(points)).sum(-1)


def gradients(K: Tensor, planes: Tensor) -> Tensor:
    """g [..., 3] with g . X = 1 for points X of the planes: normals away from the camera over the planes' distances."""
    return planes @ from_first_center(K)


def planes_through(K: Tensor, directions: Tensor, points: Tensor, inverse: Tensor) -> Tensor:
    """Planes with normals along `directions` [..., 3], of any length, and inverse depths [...] at pixels [..., 2]."""
    g = directions * (inverse / (directions * rays(K, points)).sum(-1))[..., None]
    return g @ torch.linalg.inv(from_first_center(K))


def is_admissible(K: Tensor, planes: Tensor, points: Tensor, least: float, most: float) -> Tensor:
    """Whether inverse depths are in [least, most] and planes are seen from the front and not too much from the side."""
    inverse = inverse_depths(planes, points)
    ray, g = rays(K, points), gradients(K, planes)
    return (inverse >= least) & (inverse <= most) & (inverse > LEAST_COSINE * ray.norm(dim=-1) * g.norm(dim=-1))


def window_offsets() -> Tensor:
    """Every other pixel of the square around a pixel without its corners [32, 2], row by row."""
    side = range(-WINDOW_RADIUS, WINDOW_RADIUS + 1, 2)
    places = [(x, y) for y in side for x in side if abs(x) + abs(y) < 2 * WINDOW_RADIUS]
    return torch.tensor(places, dtype=torch.float64)


def nearest_grays(image: Tensor, points: Tensor) -> Tensor:
    """Values of an image [h, w] at whole pixels [..., 2]; beyond the border those of the nearest."""
    column, row = points.long().unbind(-1)
    return image[row.clamp(0, image.shape[0] - 1), column.clamp(0, image.shape[1] - 1)]


def window_of(grays: Tensor, points: Tensor, color_sigma: float, space_sigma: float) -> Window:
    """Windows around whole pixels [..., 2] of an image [h, w]: samples far away or of other grays count less."""
    offsets = window_offsets()
    samples = nearest_grays(grays, points[..., None, :] + offsets)
    difference = samples - nearest_grays(grays, points)[..., None]
    exponents = (difference / color_sigma) ** 2 + (offsets / space_sigma).square().sum(-1)
    return Window(torch.softmax(-exponents / 2, -1), samples)


def homographies(K: Tensor, source: Source, planes: Tensor) -> Tensor:
    """H [..., 3, 3]: pixels p of the reference on a plane lie at H p in the source.

    A point X = K^-1 p / (m . p) comes to K' (R X + t), which is parallel to (K' R K^-1 + K' t m^T) p.
    """
    K, K_source = from_first_center(K), from_first_center(source.K)
    at_infinity = K_source @ source.T[:3, :3] @ torch.linalg.inv(K)
    return at_infinity + (K_source @ source.T[:3, 3])[:, None] * planes[..., None, :]


def carried_samples(H: Tensor, points: Tensor, exact: bool = False) -> Tensor:
    """Where the samples around pixels [..., 2] lie in a source [..., 32, 2].

    Around a pixel's own image (u, v) = H p / w, the way (dx, dy) leads to J (dx, dy) / (1 + d), where J are the
    derivatives of H at the pixel and d = H_3 . (dx, dy) / w. 1 - d + d^2 stands for 1 / (1 + d): the way's relative
    error is d^3.

    Args:
        H: [..., 3, 3].
        points: [..., 2] px.
        exact: divide.
    """
    middle = (H @ homogeneous(points)[..., None])[..., 0]
    H = H / middle[..., 2, None, None]
    offsets = window_offsets()
    image = middle[..., :2] / middle[..., 2:]
    moved = offsets @ (H[..., :2, :2] - image[..., None] * H[..., 2:, :2]).mT
    taper = (offsets @ H[..., 2:, :2].mT)[..., 0]
    scale = 1 / (1 + taper) if exact else 1 - taper + taper**2
    return image[..., None, :] + moved * scale[..., None]


def interpolated(image: Tensor, places: Tensor) -> Tensor:
    """Bilinear values of an image [h, w] at px [..., 2]; beyond the border those of the nearest place on it."""
    size = torch.tensor([image.shape[1] - 1, image.shape[0] - 1])
    places = torch.minimum(places.nan_to_num().clamp_min(0), size)
    corner = places.floor()
    right, lower = (places - corner).unbind(-1)
    a, b, c, d = (nearest_grays(image, corner + torch.tensor([x, y])) for y in (0, 1) for x in (0, 1))
    return (1 - lower) * ((1 - right) * a + right * b) + lower * ((1 - right) * c + right * d)


def sees(K: Tensor, source: Source, planes: Tensor, points: Tensor) -> Tensor:
    """Whether [...] a source shows pixels on planes: before it, by the middle of the window, and not much aslant."""
    H = homographies(K, source, planes)
    x, y, w = (H @ homogeneous(points)[..., None])[..., 0].unbind(-1)
    height, width = source.grays.shape
    inside = (x >= 0) & (y >= 0) & (x <= (width - 1) * w) & (y <= (height - 1) * w)
    flat_enough = WINDOW_RADIUS * H[..., 2, :2].abs().sum(-1) < MOST_TAPER * w
    return (w > _IN_FRONT) & inside & flat_enough


def correlation_costs(
    window: Window, K: Tensor, source: Source, planes: Tensor, points: Tensor, noise: float
) -> Tensor:
    """1 - ZNCC [...] of windows and what planes [..., 3] make them meet in a source, from 0 to 2.

    `noise` is a variance that both sides have without any texture. What a source does not see costs as much as nothing
    else.
    """
    H = homographies(K, source, planes)
    other = Window(window.weights, interpolated(source.grays, carried_samples(H, points)))
    covariance = (window.weights * window.deviations * other.deviations).sum(-1)
    cost = 1 - covariance / ((window.variances + noise) * (other.variances + noise)).sqrt()
    return torch.where(sees(K, source, planes, points), cost.clamp(0, WORST_COST), WORST_COST)


def project(K: Tensor, X: Tensor) -> Tensor:
    """Pixels [..., 2] of points [..., 3]."""
    image = X @ from_first_center(K).T
    return image[..., :2] / image[..., 2:]


def nearest_planes(planes: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
    """Planes [..., 3] of the pixels nearest to places [..., 2], and whether the image has those."""
    size = torch.tensor([planes.shape[1], planes.shape[0]])
    inside = ((places > -0.5) & (places < size - 0.5)).all(-1)
    pixel = (torch.where(inside[..., None], places, 0) + 0.5).long()
    return planes[pixel[..., 1], pixel[..., 0]], inside


def consistency_errors(K: Tensor, source: Source, planes: Tensor, points: Tensor, limit: float) -> Tensor:
    """Distance [...] px between pixels and where the source's own surface on the same ray of it comes back to.

    At most `limit`, which also stands for no surface there, or a pixel that the source does not see.
    """
    if source.planes is None:
        return torch.full(planes.shape[:-1], limit, dtype=planes.dtype)
    inverse = inverse_depths(planes, points)[..., None]
    R, t = source.T[:3, :3], source.T[:3, 3]
    X = rays(K, points) @ R.T + t * inverse  # times the inverse depth, which may be zero
    place = project(source.K, X)
    surface, inside = nearest_planes(source.planes, place)
    found = inverse_depths(surface, place)[..., None]
    back = (X / X[..., 2:] - t * found) @ R  # times the inverse depth in the source
    there = sees(K, source, planes, points) & inside & (found[..., 0] > 0) & (back[..., 2] > _IN_FRONT)
    return torch.where(there, (project(K, back) - points).norm(dim=-1).clamp_max(limit), limit)


def source_costs(
    window: Window, K: Tensor, sources: list[Source], planes: Tensor, points: Tensor, settings: Settings
) -> Tensor:
    """What each source makes of planes [..., 3]: [..., J], correlation and consistency."""
    geometric = settings.geometric_weight if all(source.planes is not None for source in sources) else 0.0
    costs = [
        correlation_costs(window, K, source, planes, points, settings.noise)
        + geometric * consistency_errors(K, source, planes, points, settings.geometric_limit)
        for source in sources
    ]
    return torch.stack(costs, -1)
