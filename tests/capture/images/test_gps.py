"""Scale, orientation and place from GPS: against known errors of positions, and refused where they know too little."""

import re

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from splatkit.capture.images.gps import GpsAlignment, GpsRefused, align_to_gps
from splatkit.geometry.geodesy import east_north_up, geocentric
from splatkit.io.photographs.exif import GpsFix

HOME = (47.3769, 8.5417, 408.0)
TURN = Rotation.from_euler("xyz", [100, 20, -50], degrees=True).as_matrix()  # T_local_found
SCALE = 3.7  # m a unit


def fixes_of(local: np.ndarray, error_m: float | None = None, altitude: bool = True) -> list[GpsFix]:
    """GPS positions of places [N, 3] in m east, north and up of HOME, by a flat Earth's degrees made exact."""
    start = geocentric(*map(np.array, HOME))
    wanted = start + local @ east_north_up(*HOME[:2]).T
    degrees = np.tile(np.array(HOME), (len(local), 1))
    for _ in range(5):
        off = (wanted - geocentric(*degrees.T)) @ east_north_up(*HOME[:2])
        degrees += (
            off / [111_000 * np.cos(np.radians(HOME[0])), 111_000, 1.0] @ np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1]])
        )
    return [GpsFix(a, b, c if altitude else None, error_m) for a, b, c in degrees.tolist()]


def circle(radius: float, count: int = 24) -> np.ndarray:
    """Around a building, at two heights."""
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.stack([radius * np.cos(angles), radius * np.sin(angles), 2.0 * (np.arange(count) % 2)], axis=-1)


def found(local: np.ndarray) -> np.ndarray:
    """The same cameras as structure from motion has them."""
    return (local @ TURN) / SCALE + np.array([5.0, -2.0, 9.0])


UP = np.array([0.0, 0.0, 1.0]) @ TURN


def aligned(local, fixes, up: np.ndarray | None = UP) -> GpsAlignment:
    out = align_to_gps(found(local), fixes, up)
    assert isinstance(out, GpsAlignment), str(out)
    return out


@pytest.mark.parametrize("up", [UP, None])
def test_exact_positions_give_the_exact_similarity(up):
    local = circle(60.0)
    out = aligned(local, fixes_of(local), up)
    assert out.scale == pytest.approx(SCALE, rel=1e-5)
    np.testing.assert_allclose(out.rotation, TURN, atol=1e-5)
    assert max(out.residuals_m) < 1e-3
    assert 0.02 < out.scale_uncertainty < 0.1  # 5 m of 60, by four that are independent
    place = out.georeference()
    geo = np.array(place["rotation"]) @ (out.scale * out.rotation @ found(local).T + out.translation[:, None])
    truth = geocentric(*map(np.array, HOME)) + local @ east_north_up(*HOME[:2]).T
    np.testing.assert_allclose(geo.T + place["offset"], truth, atol=2e-3)


def test_scale_is_as_good_as_stated():
    """Over 40 draws of noise that all positions share in part, 2 standard deviations hold 95 % and more."""
    rng, local, inside, errors = np.random.default_rng(3), circle(40.0), [], []
    for _ in range(40):
        drift = np.repeat(rng.normal(0, 3, (4, 3)), 6, axis=0)  # of every minute, say
        out = aligned(local, fixes_of(local + drift + rng.normal(0, 0.5, local.shape), error_m=4.0))
        error = np.log(out.scale / SCALE)
        errors.append(abs(error))
        inside.append(abs(error) < 2 * out.scale_uncertainty)
    assert np.mean(inside) >= 0.95  # eight seeds: 0.975 to 1
    assert np.median(errors) < 0.04  # 0.017 to 0.026


def test_a_few_wild_positions_do_not_matter():
    local = circle(60.0)
    measured = local.copy()
    measured[[2, 9, 17]] += [[900, 0, 0], [0, -400, 50], [300, 300, 0]]
    out = aligned(local, fixes_of(measured))
    assert out.scale == pytest.approx(SCALE, rel=0.01)
    assert out.disagreeing == (2, 9, 17)


def test_a_straight_walk_needs_to_know_what_is_up():
    local = np.stack([np.linspace(0, 200, 20), np.zeros(20), np.full(20, 1.6)], axis=-1)
    out = aligned(local, fixes_of(local))
    np.testing.assert_allclose(out.rotation @ UP, [0, 0, 1], atol=1e-3)
    np.testing.assert_allclose(out.rotation, TURN, atol=1e-3)
    refused = align_to_gps(found(local), fixes_of(local), None)
    assert isinstance(refused, GpsRefused)
    assert "tilt" in str(refused)


def test_cameras_that_look_down_may_be_wrong_about_what_is_up():
    local = circle(60.0) + np.array([0, 0, 50])
    np.testing.assert_allclose(aligned(local, fixes_of(local), -UP).rotation, TURN, atol=1e-4)


def test_without_altitudes_what_is_up_comes_from_how_cameras_were_held():
    local = circle(60.0)
    out = aligned(local, fixes_of(local, altitude=False))
    assert out.altitude is None
    assert out.scale == pytest.approx(SCALE, rel=1e-3)
    np.testing.assert_allclose(out.rotation, TURN, atol=1e-3)


@pytest.mark.parametrize(
    ("local", "fixes", "reason"),
    [
        (circle(60.0)[:3], fixes_of(circle(60.0)[:3]), "at least 4 are needed"),
        (circle(2.0), fixes_of(circle(2.0)), r"spread by 2\.0 m only, and their errors are about 5\.0 m"),
        (circle(30.0), fixes_of(circle(30.0), error_m=12.0), "spread by 30.* errors are about 12"),
        (circle(60.0) * 0, fixes_of(circle(60.0)), "all cameras stand in one place"),
        (circle(60.0), fixes_of(circle(60.0)[np.random.default_rng(0).permutation(24)]), "contradict|too little"),
    ],
)
def test_too_little_is_said_and_not_used(local, fixes, reason):
    out = align_to_gps(found(local), fixes, UP)
    assert isinstance(out, GpsRefused)
    assert str(out).startswith(f"GPS of {len(fixes)} photographs was not used: ")
    assert re.search(reason, out.reason)


def test_rtk_knows_the_scale_of_a_small_flight_that_plain_gps_does_not():
    """A circle of 12 m: refused with errors of meters, known to a percent with those that RTK states."""
    rng, local = np.random.default_rng(4), circle(12.0)
    noise = rng.normal(0, [0.03, 0.03, 0.05], local.shape)
    plain = align_to_gps(found(local), fixes_of(local + rng.normal(0, 3, local.shape)), UP)
    assert isinstance(plain, GpsRefused)
    fixes = [GpsFix(fix.latitude, fix.longitude, fix.altitude, 0.03, 0.05) for fix in fixes_of(local + noise)]
    rtk = aligned(local, fixes)
    assert rtk.scale_uncertainty < 0.01
    assert abs(rtk.scale / SCALE - 1) < 3 * rtk.scale_uncertainty
