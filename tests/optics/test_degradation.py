import json
import os
import subprocess
import sys
from dataclasses import asdict, replace

import cv2
import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from qrestore.optics.degradation import PROFILES, Degradation, Profile, copy, degrade, draw
from qrestore.optics.wear import WORN

MARGIN_PX, INSIDE_PX, SIDE_PX = 18, 99, 88
"""A label of eleven squares of 9 printer dots a side, captured at 8/9 of it."""

AT_REST = ((0.0, 0.0), (0.0, 0.0), (0.0, 0.0), (0.0, 0.0))


def label(seed=1, dots=True):
    """Squares of 9 printer dots, with marks of 2 x 2 of the other colour in their nine cells."""
    rng = np.random.default_rng(seed)
    squares = np.kron(rng.integers(2, size=(11, 11)), np.ones((9, 9)))
    marks = np.kron(rng.integers(2, size=(33, 33)), np.pad(np.ones((2, 2)), ((0, 1), (0, 1))))
    inside = np.abs(squares - marks) if dots else squares
    return np.pad(inside, MARGIN_PX, constant_values=1.0)


def drawn(name="mid", seed=1, **changes):
    return replace(draw(PROFILES[name], np.random.default_rng(seed)), **changes)


def clean(**changes):
    """A sharp print on even paper, seen straight, without noise."""
    still = {"corner_offsets_px": AT_REST, "light_slope": (0.0, 0.0), "colour_cast": (0.0, 0.0, 0.0)}
    even = {"mottle_sigma": 0.0, "paper_texture_sigma": 0.0, "ink_texture_sigma": 0.0, "noise_sigma": 0.0}
    sharp = {"dot_gain": 0.0, "exposure": 1.0, "jpeg_quality": 100, "lens_sigma_px": 0.6, "ink_sigma_px": 0.3}
    return drawn("mid", **(still | even | sharp | changes))


def captured(degradation, image=None, side_px=SIDE_PX):
    return decoded(degrade(label() if image is None else image, degradation, side_px, MARGIN_PX))


def decoded(jpeg):
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR_RGB) / 255


def ideal(image, side_px=SIDE_PX):
    """What a capture would show without any degradation."""
    inside = image[MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX]
    return cv2.resize(inside, (side_px, side_px), interpolation=cv2.INTER_AREA)


def alike(picture, image, side_px=SIDE_PX):
    return np.corrcoef(picture.mean(2).ravel(), ideal(image, side_px).ravel())[0, 1]


@pytest.mark.parametrize("worn", [False, True])
@pytest.mark.parametrize("name", PROFILES)
def test_in_every_profile_the_label_can_still_be_seen(name, worn):
    profile = replace(PROFILES[name], wear=WORN) if worn else PROFILES[name]
    for seed in range(3):
        picture = captured(draw(profile, np.random.default_rng(seed)), label(seed, dots=False))
        assert picture.shape == (SIDE_PX, SIDE_PX, 3)
        assert alike(picture, label(seed, dots=False)) > (0.6 if worn or name == "worn" else 0.85)
        dark, bright = np.percentile(picture, (10, 90))
        assert bright - dark > 0.3


@pytest.mark.parametrize("name", PROFILES)
def test_profiles_load_strictly_and_draw_inside_their_ranges(name):
    adapter = TypeAdapter(Profile)
    profile = PROFILES[name]
    assert adapter.validate_json(adapter.dump_json(profile), strict=True) == profile
    settings = [asdict(draw(profile, np.random.default_rng(seed))) for seed in range(50)]
    for record in (profile.printing, profile.wear, profile.capture):
        for field, (low, high) in asdict(record).items():
            if field in settings[0]:
                values = [setting[field] for setting in settings]
                assert low <= min(values) <= max(values) <= high
                assert max(values) - min(values) >= 0.7 * (high - low)  # the whole range is used


def test_gaussian_knobs_have_their_sigma():
    settings = [drawn("hard", seed) for seed in range(400)]
    offsets = np.array([setting.corner_offsets_px for setting in settings])
    assert offsets.std() == pytest.approx(np.hypot(0.5, 0.15), rel=0.05)
    assert offsets.mean(1).std() == pytest.approx(np.hypot(0.5 / 2, 0.15), rel=0.08)  # four corners and a shift
    assert np.std([setting.light_slope for setting in settings]) == pytest.approx(0.12, rel=0.1)
    assert np.std([setting.colour_cast for setting in settings]) == pytest.approx(0.06, rel=0.1)


def test_profiles_by_difficulty_are_unworn_in_focus_and_unmoved():
    for name in ("mid", "hard", "one", "oneb"):
        setting = drawn(name)
        assert (setting.abrasion_share, setting.fade, setting.scratches) == (0, 0, 0)
        assert (setting.defocus_radius_px, setting.motion_length_px, setting.satellite_share) == (0, 0, 0)


def test_a_profile_with_a_wrong_range_is_refused_by_name():
    record = json.loads(TypeAdapter(Profile).dump_json(PROFILES["mid"]))
    record["capture"]["noise_sigma"] = [0.02, 0.01]
    with pytest.raises(ValidationError, match=r"noise_sigma: \[0.02, 0.01\]; expected the lower end first"):
        TypeAdapter(Profile).validate_json(json.dumps(record), strict=True)
    record["capture"]["noise_sigma"] = [0.01, 0.02]
    record["capture"]["jpeg_quality"] = [70.5, 90]
    with pytest.raises(ValidationError, match="jpeg_quality"):
        TypeAdapter(Profile).validate_json(json.dumps(record), strict=True)


def test_the_record_alone_gives_the_picture_again():
    setting = replace(draw(replace(PROFILES["phone"], wear=WORN), np.random.default_rng(3)), satellite_share=0.02)
    stored = json.dumps(asdict(setting))
    picture = degrade(label(), setting, SIDE_PX, MARGIN_PX)
    assert TypeAdapter(Degradation).validate_json(stored, strict=True) == setting
    assert degrade(label(), Degradation(**json.loads(stored)), SIDE_PX, MARGIN_PX) == picture
    assert degrade(label(), replace(setting, seed=setting.seed + 1), SIDE_PX, MARGIN_PX) != picture
    assert degrade(label(2), setting, SIDE_PX, MARGIN_PX) != picture


def test_what_draws_nothing_shifts_no_other_step():
    rough = captured(clean(noise_sigma=0.02, jpeg_quality=100))
    with_mottle = captured(clean(noise_sigma=0.02, mottle_sigma=0.02))
    even, mottled = captured(clean()), captured(clean(mottle_sigma=0.02))
    noise = (rough - even)[:, :, 1], (with_mottle - mottled)[:, :, 1]
    assert np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1] > 0.9


def test_flat_paper_stays_flat_without_noise():
    picture = captured(clean(), np.ones((135, 135)))
    assert np.ptp(picture) == 0
    # Paper takes a little ink even where none is printed: sigmoid(-5) = 0.7 %.
    assert picture.mean() == pytest.approx(0.86 - (0.86 - 0.09) / (1 + np.exp(5)), abs=1 / 255)


def centroids(picture):
    """Centres of gravity of the ink round the nine places where `lattice` has a square."""
    ink = picture.max() - picture.mean(2)
    found = []
    for row, column in LATTICE:
        y, x = (int((at + 2 + 0.5) * SIDE_PX / INSIDE_PX) for at in (row, column))
        rows, columns = np.mgrid[y - 8 : y + 9, x - 8 : x + 9]
        window = ink[y - 8 : y + 9, x - 8 : x + 9]
        window = window * (window > 0.02)  # the rounding of paper to 8 bit has no place
        found.append(((window * columns).sum() / window.sum(), (window * rows).sum() / window.sum()))
    return np.array(found)


LATTICE = [(row, column) for row in (13, 47, 80) for column in (13, 47, 80)]


def lattice():
    image = np.ones((INSIDE_PX, INSIDE_PX))
    for row, column in LATTICE:
        image[row : row + 5, column : column + 5] = 0
    return np.pad(image, MARGIN_PX, constant_values=1.0)


def test_the_whole_chain_is_half_pixel_exact():
    expected = np.array([((column + 2 + 0.5), (row + 2 + 0.5)) for row, column in LATTICE]) * SIDE_PX / INSIDE_PX - 0.5
    found = centroids(captured(clean(), lattice()))
    np.testing.assert_allclose(found, expected, atol=0.02)
    # A camera that looks 0.9 printer dots to the right and below sees all of it to the left and above.
    moved = centroids(captured(clean(corner_offsets_px=((0.9, 0.45),) * 4), lattice()))
    np.testing.assert_allclose(moved - expected, np.tile([-0.8, -0.4], (9, 1)), atol=0.03)


def test_the_margin_is_cut_but_seen_where_the_camera_looks_there():
    beside = lattice()
    beside[:, : MARGIN_PX - 2] = 0  # ink just outside what is captured
    still, moved = captured(clean(), beside), captured(clean(corner_offsets_px=((-6.0, 0.0),) * 4), beside)
    assert still[:, 1].min() > 0.8
    assert moved[:, 0].max() < 0.2
    far = lattice()
    far[:2] = 0  # too far away to be seen
    assert degrade(far, clean(), SIDE_PX, MARGIN_PX) == degrade(lattice(), clean(), SIDE_PX, MARGIN_PX)


def test_a_label_without_margin_goes_on_as_its_edge_does():
    dark = decoded(degrade(np.zeros((60, 60)), clean(corner_offsets_px=((3.0, 3.0),) * 4), 60))
    assert np.ptp(dark) == 0 and dark.mean() < 0.12


@pytest.mark.parametrize(
    ("knob", "low", "high"),
    [("lens_sigma_px", 0.6, 1.5), ("defocus_radius_px", 0.0, 3.0), ("motion_length_px", 0.0, 6.0)],
)
def test_blur_takes_contrast_from_marks(knob, low, high):
    sharp, blurred = (captured(clean(**{knob: value})).std() for value in (low, high))
    assert blurred < 0.9 * sharp


def test_gain_darkens_and_exposure_brightens():
    assert captured(clean(dot_gain=0.1)).mean() < captured(clean()).mean()
    assert captured(clean(exposure=0.8)).mean() == pytest.approx(0.8 * captured(clean()).mean(), rel=0.01)


@pytest.mark.parametrize(
    ("image", "margin", "side", "message"),
    [
        (np.ones((20, 30)), 0, 20, "shape"),
        (np.ones((20, 20, 3)), 0, 20, "square grey"),
        (np.full((20, 20), 1.5), 0, 20, "expected 0 to 1"),
        (np.ones((20, 20)), 10, 20, "margin_px 10"),
        (np.ones((20, 20)), -1, 20, "margin_px -1"),
        (np.ones((20, 20)), 0, 0, "side_px 0"),
    ],
)
def test_what_is_no_label_is_refused(image, margin, side, message):
    with pytest.raises(ValueError, match=message):
        degrade(image, clean(), side, margin)


@pytest.mark.parametrize(("printer", "camera"), [("liquid-toner", "flatbed"), ("mid", "mid")])
def test_a_copy_keeps_the_squares_and_loses_contrast_of_the_marks(printer, camera):
    kept, losses = [], []
    for seed in range(4):
        profile = Profile(PROFILES[printer].printing, PROFILES[printer].wear, PROFILES[camera].capture)
        rng = np.random.default_rng(seed)
        first = replace(draw(profile, rng), corner_offsets_px=AT_REST)
        second = replace(draw(profile, rng), corner_offsets_px=AT_REST)
        original = degrade(label(seed), first, SIDE_PX, MARGIN_PX)
        copied = copy(original, second, INSIDE_PX, SIDE_PX, MARGIN_PX)
        marks = ideal(label(seed)) - ideal(label(seed, dots=False))
        squares = ideal(label(seed, dots=False))
        shares = [mark_and_square_contrast(decoded(picture), marks, squares) for picture in (original, copied)]
        losses.append(shares[1][0] / shares[0][0])
        kept.append(shares[1][1])
    assert min(kept) > 0.2
    assert max(losses) < 0.97


def mark_and_square_contrast(picture, marks, squares):
    """Least-squares shares of marks and of squares in a picture, the marks' in units of the squares'."""
    design = np.stack([marks.ravel(), squares.ravel(), np.ones(marks.size)], 1)
    (of_marks, of_squares, _), *_ = np.linalg.lstsq(design, picture.mean(2).ravel())
    return of_marks / of_squares, of_squares


def test_a_copy_of_what_is_no_picture_is_refused():
    with pytest.raises(ValueError, match="3 bytes that are no image"):
        copy(b"abc", clean(), INSIDE_PX, SIDE_PX)
    oblong = bytes(cv2.imencode(".png", np.zeros((30, 40), np.uint8))[1])
    with pytest.raises(ValueError, match="40 x 30 px; expected a square"):
        copy(oblong, clean(), INSIDE_PX, SIDE_PX)


DIGESTS = """
import hashlib, json, sys
import cv2
import numpy as np
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__
from dataclasses import replace
from qrestore.optics.degradation import PROFILES, copy, degrade, draw
from qrestore.optics.wear import WORN
cv2.setNumThreads(int(sys.argv[1]))
digests = []
for item in range(4):
    rng = np.random.default_rng(item)
    label = np.pad(np.kron(rng.integers(2, size=(60, 60)), np.ones((3, 3))), 12, constant_values=1.0)
    for name in ("mid", "one", "dry-toner", "phone"):
        profile = replace(PROFILES[name], wear=WORN) if item == 3 else PROFILES[name]
        picture = degrade(label, draw(profile, rng), 160, 12)
        digests += [hashlib.sha256(jpeg).hexdigest() for jpeg in (picture, copy(picture, draw(profile, rng), 180, 160))]
print(json.dumps([
    digests,
    [name for name in __cpu_dispatch__ if __cpu_features__.get(name)],
    [name[1:] for name in cv2.getCPUFeaturesLine().split() if name.startswith("*")],
]))
"""


def digests(threads, **environment):
    """Digests of some pictures, and the vector extensions that NumPy and OpenCV used."""
    done = subprocess.run(
        [sys.executable, "-c", DIGESTS, str(threads)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_bytes_depend_on_neither_threads_nor_vector_extensions():
    here, enabled, dispatched = digests(1)
    assert len(set(here)) == len(here)
    assert digests(4)[0] == here
    off = {
        "NPY_DISABLE_CPU_FEATURES": " ".join(enabled),
        "OPENCV_CPU_DISABLE": ",".join(name.rstrip("?") for name in dispatched),
        "OPENCV_IPP": "disabled",
        "JSIMD_FORCENONE": "1",  # libjpeg-turbo's switch
    }
    without, numpy_left, opencv_left = digests(2, **off)
    assert numpy_left == []
    assert all(name.endswith("?") for name in opencv_left)  # OpenCV's mark of "present, but switched off"
    assert without == here
