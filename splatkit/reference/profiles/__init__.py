"""The profiles of splats by their definitions, for the names that the native table has them under."""

from functools import partial
from typing import NamedTuple, Protocol

from torch import Tensor

from splatkit.reference.profiles.compact_weight import compact_support, compact_weight
from splatkit.reference.profiles.gef_weight import gef_support, gef_weight

GEF_EPS = 1e-4  # rounds the cusp of beta < 2 (README, "What differs from the papers")


class Weight(Protocol):
    """Weight in [0, 1] at squared Mahalanobis distances q >= 0; beta is broadcastable to q. [...]."""

    def __call__(self, q: Tensor, beta: Tensor) -> Tensor: ...  # noqa: D102 - the class says it


class Support(Protocol):
    """Largest q at which opacity * weight still reaches alpha_min; 0 where it never does. [...]."""

    def __call__(self, opacity: Tensor, beta: Tensor, *, alpha_min: float) -> Tensor: ...  # noqa: D102 - the class says it


class ReferenceProfile(NamedTuple):
    """What projection and compositing need of a profile."""

    weight: Weight
    support: Support


PROFILES = {
    "generalized_exponential": ReferenceProfile(partial(gef_weight, eps=GEF_EPS), partial(gef_support, eps=GEF_EPS)),
    "compact_beta": ReferenceProfile(compact_weight, compact_support),
}
