import json
import pickle

import numpy as np
import pytest
import safetensors.numpy

from qrestore.dots.carrier import DOT_SIDES, sites, to_sites
from qrestore.dots.lmmse import WINDOW_PX, Lmmse, LmmseFit, load_lmmse, save_lmmse
from qrestore.dots.readers import calibrate_thresholds, contrasts, evened, threshold
from tests.samples import carrier, through_a_lens, wrong_share

CHANNEL = {2: (1.5, 0.06), 1: (0.9, 0.05)}
"""Blur in pixels and noise, as hard for either size."""

RIDGE = 0.01
FEATURES = 11 * 11 + 3 * 3 + 1
LEARNT = 5


def seen_codes(dot_side_px, count=LEARNT + 3):
    rng = np.random.default_rng(dot_side_px)
    codes = [carrier(f"text {n}", 3, dot_side_px) for n in range(count)]
    return [(through_a_lens(code.image, rng, *CHANNEL[dot_side_px]), code) for code in codes]


def fitted(dot_side_px, codes):
    fit = LmmseFit(dot_side_px)
    for image, code in codes:
        fit.add(image, code.matrix, code.dots, code.used)
    return fit


@pytest.fixture(scope="module", params=DOT_SIDES)
def learnt(request):
    """Dot size, codes, and what was fitted on the first of them."""
    codes = seen_codes(request.param)
    return request.param, codes, fitted(request.param, codes[:LEARNT])


def all_values(read, codes):
    """Values and truth at the used sites of codes."""
    values = [read(image, code.matrix)[code.used] for image, code in codes]
    return np.concatenate(values), np.concatenate([code.dots[code.used] for _, code in codes])


def test_it_beats_thresholds_by_far(learnt):
    side, codes, fit = learnt
    reader = fit.solve(RIDGE)
    values, truth = all_values(lambda *seen: contrasts(side, evened, *seen), codes[:LEARNT])
    dark, _ = all_values(lambda _, matrix: to_sites(matrix), codes[:LEARNT])
    cuts = calibrate_thresholds(values, dark, truth)
    linear, plain = (
        np.mean([wrong_share(read(image, code.matrix), code) for image, code in codes[LEARNT:]])
        for read in (reader, lambda *seen: threshold(side, cuts, evened, *seen))
    )
    assert linear < 0.03
    assert linear < plain / 4


def test_it_knows_what_it_was_fitted_on_best(learnt):
    _, codes, fit = learnt
    reader = fit.solve(1e-4)
    known, new = (
        np.mean([wrong_share(reader(image, code.matrix), code) for image, code in part])
        for part in (codes[:LEARNT], codes[LEARNT:])
    )
    assert known < new


def test_its_values_are_log_likelihood_ratios(learnt):
    _, codes, fit = learnt
    soft, truth = all_values(fit.solve(RIDGE), codes[LEARNT:])
    for low, high in ((-np.inf, -3), (-3, -1), (-1, 1), (1, 3), (3, np.inf)):
        here = (soft > low) & (soft <= high)
        said = (1 / (1 + np.exp(-soft[here]))).mean()
        assert here.sum() > 30
        assert abs(truth[here].mean() - said) < 0.03 + 4 * np.sqrt(said * (1 - said) / here.sum())


def test_weights_are_the_ridge_regression():
    codes = seen_codes(2, 3)
    reader = fitted(2, codes).solve(RIDGE)
    (row, column), dark = (2, 0), True  # one class of sites, its features taken one by one
    features, truth = [], []
    for image, code in codes:
        picture = np.pad(evened(image, code.matrix), 5, constant_values=1)
        framed = np.pad(code.matrix, 1)
        for i, j in zip(*np.nonzero(code.matrix == dark), strict=True):
            site = 3 * i + row, 3 * j + column
            if code.used[site]:
                centre = 3 * site[0] + 1 + 5, 3 * site[1] + 1 + 5
                window = picture[centre[0] - 5 : centre[0] + 6, centre[1] - 5 : centre[1] + 6]
                features.append([*window.ravel(), *framed[i : i + 3, j : j + 3].ravel(), 1])
                truth.append(code.dots[site])
    features, s = np.array(features), np.where(truth, 1.0, -1.0)
    # Ridge regression as least squares with rows that pull every weight but the constant to 0.
    pull = np.sqrt(len(s) * RIDGE) * np.eye(FEATURES)[:-1]
    solution, *_ = np.linalg.lstsq(np.vstack([features, pull]), np.concatenate([s, np.zeros(FEATURES - 1)]))
    estimate = features @ solution
    means = [estimate[s == sign].mean() for sign in (1, -1)]
    variance = np.mean((estimate - np.where(s > 0, *means)) ** 2)
    ratio = (means[0] - means[1]) * (estimate - np.mean(means)) / variance
    weights = reader.weights[2 * (3 * row + column) + dark]
    np.testing.assert_allclose(features @ weights, ratio, rtol=1e-3, atol=1e-2)
    assert WINDOW_PX == 11


def test_sites_that_are_not_used_do_not_count():
    rng = np.random.default_rng(0)
    plain, spoiled = LmmseFit(2), LmmseFit(2)
    for n in range(4):
        code = carrier(f"text {n}", 3, fill=0.9)
        image = through_a_lens(code.image, rng)
        garbage = np.where(code.used, code.dots, rng.random(code.dots.shape) < 0.5)
        plain.add(image, code.matrix, code.dots, code.used)
        spoiled.add(image, code.matrix, garbage, code.used)
    np.testing.assert_array_equal(plain.solve(RIDGE).weights, spoiled.solve(RIDGE).weights)


def test_light_and_ink_do_not_matter(learnt):
    _, codes, fit = learnt
    reader, (image, code) = fit.solve(RIDGE), codes[-1]
    soft = reader(image, code.matrix)
    assert soft.dtype == np.float64
    assert soft.shape == sites(3).shape
    np.testing.assert_allclose(reader(0.5 * image + 0.2, code.matrix), soft, atol=1e-2 * np.abs(soft).max())


def test_too_few_samples_are_refused():
    codes = seen_codes(2, 2)
    with pytest.raises(ValueError, match=f"0 samples of a class of sites; at least {FEATURES} are needed"):
        LmmseFit(2).solve(RIDGE)
    fewest = min(
        (
            code.dots[row::3, column::3][code.matrix == dark][code.used[row::3, column::3][code.matrix == dark]] == dot
        ).sum()
        for _, code in codes[:1]
        for row in range(3)
        for column in range(3)
        for dark in (False, True)
        for dot in (False, True)
    )
    assert fewest < FEATURES
    with pytest.raises(ValueError, match=f"{fewest} samples of a class of sites; at least {FEATURES} are needed"):
        fitted(2, codes[:1]).solve(RIDGE)


# --- the file ---------------------------------------------------------------------------------


def some_reader(dot_side_px=2):
    weights = np.random.default_rng(0).standard_normal((18, FEATURES)).astype(np.float32)
    return Lmmse(dot_side_px, weights)


@pytest.mark.parametrize("dot_side_px", DOT_SIDES)
def test_a_reader_comes_back_exactly(tmp_path, dot_side_px):
    path, reader = tmp_path / "lmmse.safetensors", some_reader(dot_side_px)
    save_lmmse(path, reader)
    loaded = load_lmmse(path)
    assert loaded.dot_side_px == dot_side_px
    assert loaded.weights.dtype == np.float32
    np.testing.assert_array_equal(loaded.weights, reader.weights)
    code = carrier()
    np.testing.assert_array_equal(loaded(code.image, code.matrix), reader(code.image, code.matrix))
    assert list(tmp_path.iterdir()) == [path]


def test_the_same_reader_gives_the_same_bytes(tmp_path):
    path, written = tmp_path / "lmmse.safetensors", set()
    for _ in range(20):  # the library draws the order of its metadata
        save_lmmse(path, some_reader())
        written.add(path.read_bytes())
    assert len(written) == 1


def truncated_header(path):
    path.write_bytes(path.read_bytes()[:20])


def truncated_weights(path):
    path.write_bytes(path.read_bytes()[:-4])


def empty(path):
    path.write_bytes(b"")


def absent(path):
    path.unlink()


def folder(path):
    path.unlink()
    path.mkdir()


def text(path):
    path.write_text(json.dumps({"weights": [[0.0] * FEATURES] * 18}))


def pickled(path):
    path.write_bytes(pickle.dumps(some_reader()))


def written(tensors, metadata):
    def spoil(path):
        path.write_bytes(safetensors.numpy.save(tensors, metadata))

    return spoil


WEIGHTS = some_reader().weights
OURS = {"reader": "lmmse", "dot_side_px": "2"}


@pytest.mark.parametrize(
    "spoil",
    [
        truncated_header,
        truncated_weights,
        empty,
        absent,
        folder,
        text,
        pickled,
        pytest.param(written({"weights": WEIGHTS}, None), id="no metadata"),
        pytest.param(written({"weights": WEIGHTS}, OURS | {"reader": "network"}), id="another reader"),
        pytest.param(written({"weights": WEIGHTS}, {"reader": "lmmse"}), id="no dot size"),
        pytest.param(written({"weights": WEIGHTS}, OURS | {"dot_side_px": "3"}), id="another dot size"),
        pytest.param(written({"weights": WEIGHTS[:9]}, OURS), id="fewer classes"),
        pytest.param(written({"weights": WEIGHTS[:, :-1]}, OURS), id="fewer features"),
        pytest.param(written({"bias": WEIGHTS}, OURS), id="another name"),
    ],
)
def test_what_is_no_reader_is_refused_by_its_path(tmp_path, spoil):
    path = tmp_path / "lmmse-2px.safetensors"
    save_lmmse(path, some_reader())
    spoil(path)
    with pytest.raises(ValueError, match=r"lmmse-2px\.safetensors: no ") as refusal:
        load_lmmse(path)
    assert "\n" not in str(refusal.value)
