"""How photographs agree on a surface: offsets along its normals at which they do.

The definition is `splatkit.reference.photo_consistency`; the native code in `cuda/photo`. There are no gradients: the
step is what one would be used for. Results have the same bits for any number of threads on one instruction set.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from splatkit.ops._library import define, dense, native, threads

_ALIGNMENT = 16  # photographs that native code takes a multiple of
_TERMS = 6


@dataclass(frozen=True)
class ConsistencySettings:
    """Which differences between photographs count; grays are from 0 to 255."""

    noise: float = 2.5  # standard deviation of grays that differ by noise alone
    outlier: float = 6.0  # residual within the window at which a photograph's vote is quartered, ...
    outlier_share: float = 0.5  # ... and of the window's contrast


class Sightings(NamedTuple):
    """What P photographs show of S samples; all [S, P] float32."""

    grays: Tensor  # 0 to 255
    slopes: Tensor  # change of gray as the sample moves along its normal by a unit of length
    cosines: Tensor  # of incidence, by which photographs count; 0 where one does not see the sample


class Windows(NamedTuple):
    """Neighbors of each of S samples, with weights: compressed sparse rows."""

    starts: Tensor  # [S + 1] int64
    members: Tensor  # [M] int32 samples
    weights: Tensor  # [M] float32, of each window with the sum 1


class Consistency(NamedTuple):
    """Of each of S samples; all [S] float32. A Gauss-Newton step goes by -gradient / (curvature + prior)."""

    gradients: Tensor  # of half the squared differences between photographs, in units of their variance, by the offset
    curvatures: Tensor  # the inverse variance of the offset
    correlations: Tensor  # of the photographs within the window, at most 1
    counts: Tensor  # photographs that count


def photo_consistency(sightings: Sightings, windows: Windows, settings: ConsistencySettings) -> Consistency:
    """Compare photographs of samples of a surface within windows.

    Args:
        sightings: of the samples.
        windows: of the samples.
        settings: see there.

    Raises:
        ValueError: a shape is wrong, a window names a sample that is not there, or a setting is not positive.
        TypeError: a dtype is wrong.
    """
    s = settings
    if not (s.noise > 0 and s.outlier > 0 and s.outlier_share >= 0):
        raise ValueError(f"settings: expected positive numbers, got {s}")
    if sightings.grays.ndim != 2:
        raise ValueError(f"grays: expected [S, P], got {list(sightings.grays.shape)}")
    _check_windows(windows, len(sightings.grays))
    found = torch.ops.splatkit.photo_consistency(*sightings, *windows, s.noise, s.outlier, s.outlier_share)
    return Consistency(*found.unbind(1))


def _check_windows(windows: Windows, samples: int) -> None:
    starts, members, weights = windows
    whole = starts.shape == (samples + 1,) and starts[0] == 0 and starts[-1] == len(members) == len(weights)
    if not (whole and (starts.diff() >= 0).all()):
        raise ValueError(f"windows.starts: expected {samples + 1} rising places of {len(members)} members")
    if len(members) and not (members.min() >= 0 and members.max() < samples):
        raise ValueError(f"windows.members: expected samples from 0 to {samples - 1}")


def _native(
    grays: Tensor,
    slopes: Tensor,
    cosines: Tensor,
    starts: Tensor,
    members: Tensor,
    weights: Tensor,
    noise: float,
    outlier: float,
    outlier_share: float,
) -> Tensor:
    out = _fake(grays)
    filler = -grays.shape[1] % _ALIGNMENT
    images = [dense(pad(part, (0, filler)) if filler else part) for part in (grays, slopes, cosines)]
    scratch = torch.empty(4, *images[0].shape, dtype=torch.float32, device=grays.device)
    contrasts, terms = out.new_empty(len(grays)), out.new_empty(len(grays), _TERMS)
    native().photo_consistency(
        *images,
        *map(dense, (starts, members, weights)),
        noise,
        outlier,
        outlier_share,
        scratch,
        contrasts,
        terms,
        out,
        threads(),
    )
    return out


def _fake(grays: Tensor, *_: object) -> Tensor:
    return grays.new_empty(len(grays), 4)


define(
    "photo_consistency(Tensor grays, Tensor slopes, Tensor cosines, Tensor starts, Tensor members, Tensor weights,"
    " float noise, float outlier, float outlier_share) -> Tensor out",
    _native,
    _fake,
)
