"""How dense stereo is done, apart from the code that does it."""

from dataclasses import dataclass, field

from splatkit.errors import SettingsError
from splatkit.ops.stereo import MAX_NEIGHBORS, MAX_SOURCES, AgreementSettings, MatchingSettings

LEVELS = {"low": 640, "medium": 1000, "high": 2000}  # longest side of the images that are matched, px


@dataclass(frozen=True)
class StereoSettings:
    """What decides the result, for the same photographs and points."""

    longest_side: int = LEVELS["medium"]  # px
    sources: int = 5  # views that a view is matched with
    neighbors: int = 10  # views that a view's depths are compared with
    seed: int = 0
    matching: MatchingSettings = field(default_factory=MatchingSettings)
    agreement: AgreementSettings = field(default_factory=AgreementSettings)

    def __post_init__(self) -> None:
        for name, most in (("longest_side", 65535), ("sources", MAX_SOURCES), ("neighbors", MAX_NEIGHBORS)):
            if not 1 <= getattr(self, name) <= most:
                raise SettingsError(f"{name}: expected 1 to {most}, got {getattr(self, name)}")
