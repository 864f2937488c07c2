"""What is said of stereo: one sentence, and warnings with their cures."""

import json

import pytest

from splatkit.capture.stereo.effort import Effort
from splatkit.capture.stereo.findings import StereoFindings
from splatkit.capture.stereo.summaries import ViewSummary

GOOD = ViewSummary("a.png", share=0.8, depth=3.0, relative_sigma=5e-4)
HELD_OUT = ViewSummary("b.png", "held out")
ALONE = ViewSummary("c.png", "no other one overlaps")
ASKED = Effort("high", 10.0, 120.0, "")


def findings(*views: ViewSummary, effort: Effort = ASKED, left_out: int = 0) -> StereoFindings:
    return StereoFindings(effort, views, 5000, 2e-4, left_out, 99.0)


def test_one_sentence_says_how_much_and_how_well():
    said = findings(GOOD, HELD_OUT, ViewSummary("d.png", share=0.4, depth=1.0, relative_sigma=1e-3)).verdict()
    assert said == "2 of 3 photographs have depth, 60 % of their pixels, median standard deviation 0.075 % of the depth"
    assert findings(HELD_OUT, ALONE).verdict() == "0 of 2 photographs have depth"


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (findings(GOOD, HELD_OUT, ALONE), "1 photographs have no depth by stereo (c.png)"),
        (
            findings(GOOD, left_out=7),
            "7 depths beyond 13.1 (in the dataset's unit) do not fit into depth maps and are left out",
        ),
        (findings(GOOD, effort=Effort("low", 5.0, 60.0, "chosen because medium takes 35 minutes")), "--stereo medium"),
    ],
)
def test_warnings_name_what_is_missing(found, message):
    (warning,) = found.warnings()
    assert message in warning


def test_nothing_is_said_where_all_is_well():
    assert findings(GOOD, HELD_OUT).warnings() == ()


def test_figures_are_json():
    figures = json.loads(json.dumps(findings(GOOD, HELD_OUT, ALONE).figures()))
    assert figures["photographs"] == {"have depths": 1, "held out": 1, "no other one overlaps": 1}
    assert figures["why"] == "asked for"
    assert figures["views"]["a.png"]["share"] == 0.8
