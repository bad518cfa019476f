import dataclasses
import json
import shutil

import numpy as np
import pytest

from qrestore.datasets.dots import true_dots
from qrestore.dots.extraction import registered
from qrestore.dots.lmmse import load_lmmse
from qrestore.evaluation.dot_readers import DOT_READERS, THRESHOLDS, deblurred, dot_reader, on_lattice, resized
from qrestore.evaluation.restorers import RESTORERS
from qrestore.files import read_json, write_json
from qrestore.learning.dots_routes import ROUTES
from tests.evaluation.conftest import captured, clean_carrier

REGISTERED = ("threshold_registered", "wiener", "lmmse", *ROUTES)
JITTER = {"corner_offsets_px": ((0.8, -0.6), (-0.7, 0.9), (0.6, 0.8), (-0.9, 0.5))}


def bit_error_rate(soft, row):
    dots, used = true_dots(row)
    return ((soft > 0) != dots)[used].mean()


@pytest.mark.parametrize("subset", ["one-1px", "mid-2px", "partial-2px"])
@pytest.mark.parametrize("name", DOT_READERS)
def test_every_reader_reads_a_clean_upright_carrier(dots, name, subset):
    row = dots.rows[subset]
    image = captured(row)
    before = image.copy()
    soft = dot_reader(name, row.dot_side_px, dots.models)(image, row)
    assert soft.shape == (3 * 25, 3 * 25)
    assert soft.dtype == np.float64
    assert bit_error_rate(soft, row) <= (0.05 if name == "adaptive" else 0.002)  # its window is blind to even modules
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("subset", ["one-1px", "mid-2px"])
def test_registration_is_what_a_capture_with_jitter_needs(dots, subset):
    row = clean_carrier(subset, 1, **JITTER)
    rates = {name: bit_error_rate(dot_reader(name, row.dot_side_px, dots.models)(captured(row), row), row)
             for name in DOT_READERS}  # fmt: skip
    for name in REGISTERED:  # networks trained for seconds: how well depends on the processor
        assert rates[name] < (0.03 if name in ROUTES else 0.01), name
    assert rates["lmmse"] < rates["lmmse_unregistered"] / 3
    assert rates["threshold_registered"] < rates["threshold"] / 3 + 1e-9


def test_a_capture_of_another_size_is_read_too(dots):
    row = dots.rows["mid-2px"]
    larger = np.repeat(np.repeat(captured(row), 2, 0), 2, 1)
    for name in ("binarised", "lmmse", "lmmse_unregistered"):
        assert bit_error_rate(dot_reader(name, 2, dots.models)(larger, row), row) < 0.005


def test_what_a_reader_sees_stands_on_the_lattice(dots):
    row = clean_carrier("mid-2px", 1, **JITTER)
    image = captured(row)
    for seen in (resized(image, row), on_lattice(image, row), deblurred(0.01, image, row)):
        assert seen.shape[:2] == (9 * 25, 9 * 25)
    np.testing.assert_array_equal(on_lattice(image, row), registered(image, 25, 2)[0])


def test_only_the_bound_needs_to_know_the_blur(dots):
    row = dots.rows["mid-2px"]
    blind = dataclasses.replace(row, degradation=None)
    for name in DOT_READERS:
        read = dot_reader(name, 2, dots.models)
        if name == "wiener":
            with pytest.raises(ValueError, match=r"dots/test/mid-2px/\d+: its blur is not known"):
                read(captured(row), blind)
        else:
            np.testing.assert_array_equal(read(captured(row), blind), read(captured(row), row))


def test_the_bound_takes_the_blur_of_the_row(dots):
    row = clean_carrier("mid-2px", 2, lens_sigma_px=1.1)
    assert row.degradation is not None
    other = dataclasses.replace(row, degradation=json.dumps(json.loads(row.degradation) | {"lens_sigma_px": 0.3}))
    read = dot_reader("wiener", 2, dots.models)
    assert not np.array_equal(read(captured(row), row), read(captured(row), other))


def test_readers_take_the_files_of_their_dot_size(dots):
    row = dots.rows["mid-2px"]
    image = captured(row)
    for name in ("lmmse", "threshold_registered", *ROUTES):
        own, other = (dot_reader(name, size, dots.models)(image, row) for size in (2, 1))
        assert not np.array_equal(own, other)
    linear = load_lmmse(dots.models / "lmmse-2px.safetensors")
    np.testing.assert_array_equal(
        dot_reader("lmmse", 2, dots.models)(image, row), linear(on_lattice(image, row), row.matrix())
    )


def test_chosen_numbers_are_those_of_the_file(dots, tmp_path):
    shutil.copytree(dots.models, tmp_path / "models")
    row = dots.rows["mid-2px"]
    chosen = read_json(dots.models / THRESHOLDS)
    for name in ("threshold", "threshold_registered", "wiener"):
        chosen["2px"][name]["thresholds"] = [9.0, -9.0]  # no white dot is so bright, no dark one so dark
    write_json(tmp_path / "models" / THRESHOLDS, chosen)
    for name in ("threshold", "threshold_registered", "wiener"):
        assert not (dot_reader(name, 2, tmp_path / "models")(captured(row), row) > 0).any()


def test_the_names_are_those_that_are_measured():
    assert RESTORERS["dots"] == ("before", *DOT_READERS)


def test_an_unknown_name_is_refused_with_the_known_ones(dots):
    with pytest.raises(ValueError, match=r"dot reader 'magic'; known: binarised, .*lmmse"):
        dot_reader("magic", 2, dots.models)


@pytest.mark.parametrize("name", DOT_READERS)
def test_missing_files_are_named_with_a_remedy(tmp_path, name):
    if name in ("binarised", "adaptive"):
        assert dot_reader(name, 2, tmp_path)  # they need none
        return
    file = r"lmmse-2px\.safetensors" if name.startswith("lmmse") else r"thresholds/dots\.json"
    file = rf"dots-2px-{name}\.safetensors" if name in ROUTES else file
    with pytest.raises(ValueError, match=rf"{file}.*`(git restore models|dvc repro calibrate)`"):
        dot_reader(name, 2, tmp_path)
