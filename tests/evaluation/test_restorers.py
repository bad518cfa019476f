import dataclasses

import numpy as np
import pytest
import torch

from qrestore.arrays import from_uint8
from qrestore.datasets.blur import Blur
from qrestore.datasets.defocus import cells, defocus_capture, defocus_row, drawn_row, record
from qrestore.datasets.motion import Motion, motion_row
from qrestore.datasets.row import Row
from qrestore.evaluation.restorers import DEBLURRER, RESTORERS, WIENER, grey, restorer, wiener_true
from qrestore.files import write_json
from qrestore.learning.likely_blur import Prior
from qrestore.learning.networks import build
from qrestore.learning.weights import save_weights
from qrestore.optics.psf import disk
from qrestore.pictures import open_colour, open_grey
from qrestore.restoration.wiener import wiener
from qrestore.symbol.render import render_at
from tests.evaluation import conftest

SETTINGS = dataclasses.replace(conftest.DEFOCUS, side_px=120, radius_px={1: (4.0, 4.0)})
DEFOCUS = defocus_row(SETTINGS, 1, "test", 0)
MOVED = Motion(80, 2, (1,), 1, (8, 8), (10, 10), (1, 1), 0.002)
MOTION = motion_row(MOVED, 1, "test", 0, seen=False)
PRIOR = Prior.of(dataclasses.asdict(MOVED))
CAPTURES = {
    "defocus": (from_uint8(open_grey(DEFOCUS.capture)), DEFOCUS),
    "motion": (from_uint8(open_colour(MOTION.capture)), MOTION),
}


@pytest.fixture
def models(tmp_path):
    write_json(tmp_path / WIENER, {"defocus": {"noise_to_signal": 0.001}, "motion": {"noise_to_signal": 0.002}})
    torch.manual_seed(0)
    network = {"architecture": "deblurrer", "width": 2, "blocks": 1, "fold": 2}
    save_weights(
        tmp_path / f"{DEBLURRER}.safetensors",
        build(network).state_dict(),
        network,
        {"prior": dataclasses.asdict(PRIOR)},
    )
    return tmp_path


@pytest.mark.parametrize(("data", "name"), [(data, name) for data in CAPTURES for name in RESTORERS[data]])
def test_every_restorer_gives_a_grey_image_of_the_same_size(models, data, name):
    image, row = CAPTURES[data]
    before = image.copy()
    restored = restorer(name, data, models)(image, row).image
    assert restored.shape == image.shape[:2]
    assert restored.min() >= 0
    assert restored.max() <= 1
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("name", RESTORERS["scanned"])
def test_before_and_read_leave_the_picture_alone(models, name):
    image, row = CAPTURES["defocus"]
    np.testing.assert_array_equal(restorer(name, "scanned", models)(image, row).image, image)


@pytest.mark.parametrize("data", list(CAPTURES))
def test_the_bound_that_knows_the_blur_beats_the_capture(models, data):
    image, row = CAPTURES[data]
    ideal = render_at(row.matrix(), image.shape[0], row.quiet_zone)
    restored = restorer("wiener_true", data, models)(image, row).image
    assert np.abs(restored - ideal).mean() < 0.7 * np.abs(grey(image) - ideal).mean()


@pytest.mark.parametrize(
    "cell", [cell for cell in cells(SETTINGS) if cell.level == "H" and not cell.stress], ids=lambda cell: cell.subset
)
def test_the_bound_undoes_every_kind_of_blur(models, cell):
    row = drawn_row(SETTINGS, 1, "test", cell, 0)
    image = from_uint8(open_grey(row.capture))
    ideal = render_at(row.matrix(), image.shape[0], row.quiet_zone)
    restored = restorer("wiener_true", "defocus", models)(image, row).image
    assert np.abs(restored - ideal).mean() < 0.7 * np.abs(image - ideal).mean()


def uneven(row, **changes):
    """A row of uneven blur."""
    blur = Blur(kind="uneven", radius_px=5.0, near_radius_px=2.0)
    return dataclasses.replace(row, degradation=record(dataclasses.replace(blur, **changes)))


def test_an_uneven_blur_of_one_radius_is_a_disk():
    image, row = CAPTURES["defocus"]
    even = wiener_true(0.001)(image, uneven(row, near_radius_px=4.0, radius_px=4.0, angle_deg=33.0)).image
    np.testing.assert_allclose(even, wiener(image, disk(4.0), 0.001), atol=1e-12)


@pytest.mark.parametrize(
    ("angle_deg", "near", "far"),  # counter-clockwise from the x axis, rows downwards
    [
        (0, np.s_[:, 0], np.s_[:, -1]),
        (90, np.s_[-1, :], np.s_[0, :]),
        (180, np.s_[:, -1], np.s_[:, 0]),
        (270, np.s_[0, :], np.s_[-1, :]),
    ],
)
def test_each_end_of_an_uneven_blur_has_its_own_filter(angle_deg, near, far):
    image, row = CAPTURES["defocus"]
    restored = wiener_true(0.001)(image, uneven(row, angle_deg=angle_deg)).image
    np.testing.assert_allclose(restored[near], wiener(image, disk(2.0), 0.001)[near], atol=1e-6)
    np.testing.assert_allclose(restored[far], wiener(image, disk(5.0), 0.001)[far], atol=1e-6)


@pytest.mark.parametrize("angle_deg", [20.0, 130.0, 250.0])
def test_the_blend_runs_as_the_blur_does(angle_deg):
    row = uneven(DEFOCUS, angle_deg=angle_deg)
    image = from_uint8(defocus_capture(row, 120))
    ideal = render_at(row.matrix(), 120, row.quiet_zone)
    errors = [
        np.abs(wiener_true(0.001)(image, known).image - ideal).mean()
        for known in (row, uneven(row, angle_deg=angle_deg + 180), uneven(row, near_radius_px=3.5, radius_px=3.5))
    ]
    assert errors[0] < 0.8 * min(errors[1:])


def test_a_blur_that_is_not_known_is_refused():
    image, row = CAPTURES["defocus"]
    with pytest.raises(ValueError, match="its blur is not known"):
        wiener_true(0.001)(image, dataclasses.replace(row, degradation=None))


def test_before_of_a_carrier_is_its_grey_picture(dots):
    row: Row = dots.rows["mid-2px"]
    image = conftest.captured(row)
    np.testing.assert_array_equal(restorer("before", "dots", dots.models)(image, row).image, image.mean(2))


def test_each_data_set_has_its_own_ratio(models):
    image, row = CAPTURES["defocus"]
    own, other = (restorer("wiener_true", data, models)(image, row).image for data in ("defocus", "motion"))
    assert not np.array_equal(own, other)


def test_grey_is_the_mean_of_the_channels():
    colour = np.dstack([np.full((4, 5), value) for value in (0.0, 0.3, 0.9)])
    np.testing.assert_allclose(grey(colour), 0.4)
    assert grey(np.zeros((4, 5), np.float32)).dtype == np.float64


def test_an_unknown_name_is_refused_with_the_known_ones(models):
    with pytest.raises(ValueError, match=r"restorer 'magic'; known: .*wiener_true"):
        restorer("magic", "defocus", models)


def test_missing_models_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"qr-deblurrer\.safetensors: no such weights file"):
        restorer("cgan", "motion", tmp_path)
    with pytest.raises((ValueError, OSError), match=r"wiener\.json"):
        restorer("wiener_true", "motion", tmp_path)
