from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import pytest
from annotated_types import Ge, Interval

from qrestore.config import ConfigError, load_section, read_yaml


@dataclass(frozen=True)
class Inner:
    width: Annotated[int, Ge(1)]


@dataclass(frozen=True)
class Section:
    steps: Annotated[int, Ge(0)]
    rate: Annotated[float, Interval(gt=0, le=1)]
    level: Literal["L", "M"]
    shuffle: bool
    inner: Inner
    interval: tuple[float, float]
    by_version: dict[int, tuple[float, float]]


GOOD = {
    "steps": "3",
    "rate": "4e-3",
    "level": "M",
    "shuffle": "true",
    "inner": "{width: 2}",
    "interval": "[1, 2.5]",
    "by_version": "{1: [0, 1], 12: [2, 3]}",
}


def load(tmp_path: Path, **changed: str | None) -> Section:
    path = tmp_path / "params.yaml"
    lines = [f"    {key}: {value}" for key, value in (GOOD | changed).items() if value is not None]
    path.write_text("training:\n  net:\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return load_section(path, "training.net", Section)


def test_a_section_becomes_its_dataclass(tmp_path):
    expected = Section(3, 0.004, "M", True, Inner(2), (1.0, 2.5), {1: (0.0, 1.0), 12: (2.0, 3.0)})
    loaded = load(tmp_path)
    assert loaded == expected
    assert isinstance(loaded.rate, float)  # YAML 1.1 would make a text of 4e-3
    assert isinstance(loaded.interval, tuple)


def test_a_whole_number_is_a_fine_float(tmp_path):
    assert load(tmp_path, rate="1").rate == 1.0


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("steps", "true"),
        ("steps", "1.5"),
        ("steps", "'3'"),
        ("steps", "many"),
        ("steps", "null"),
        ("steps", "-1"),
        ("steps", "[3]"),
        ("steps", "2020-01-01"),
        ("rate", "'0.1'"),
        ("rate", "true"),
        ("rate", "0"),
        ("rate", "1.01"),
        ("rate", ".nan"),
        ("rate", ".inf"),
        ("level", "H"),
        ("level", "1"),
        ("shuffle", "1"),
        ("shuffle", "'true'"),
        ("inner", "3"),
        ("interval", "[1]"),
        ("interval", "[1, 2, 3]"),
        ("by_version", "{x: [0, 1]}"),
        ("by_version", "{1: [0]}"),
    ],
)
def test_a_wrong_value_is_refused_by_its_dotted_key(tmp_path, key, value):
    with pytest.raises(ConfigError, match=rf"params\.yaml: training\.net\.{key}\b"):
        load(tmp_path, **{key: value})


def test_the_refusal_shows_what_was_given(tmp_path):
    with pytest.raises(ConfigError, match=r"given: -7\b"):
        load(tmp_path, steps="-7")


@pytest.mark.parametrize("key", list(GOOD))
def test_a_missing_key_is_named(tmp_path, key):
    with pytest.raises(ConfigError, match=rf"training\.net\.{key}: .*required"):
        load(tmp_path, **{key: None})


def test_an_unknown_key_is_named_at_any_depth(tmp_path):
    with pytest.raises(ConfigError, match=r"training\.net\.stepps: unknown key"):
        load(tmp_path, stepps="3")
    with pytest.raises(ConfigError, match=r"training\.net\.inner\.depth: unknown key"):
        load(tmp_path, inner="{width: 2, depth: 3}")


@dataclass(frozen=True)
class Nested:
    parts: dict[str, Inner]


def test_an_unknown_key_below_a_mapping_is_named(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("all: {parts: {first: {width: 1}, second: {width: 1, dept: 2}}}")
    with pytest.raises(ConfigError, match=r"all\.parts\.second\.dept: unknown key"):
        load_section(path, "all", Nested)


@pytest.mark.parametrize("section", ["training.other", "tests", "training.net.inner.width.more"])
def test_a_missing_section_is_named(tmp_path, section):
    load(tmp_path)
    with pytest.raises(ConfigError, match=f"params.yaml: section '{section}' is missing"):
        load_section(tmp_path / "params.yaml", section, Section)


@pytest.mark.parametrize("text", ["", "3", "[1, 2]", "text"])
def test_a_file_without_sections_misses_them(tmp_path, text):
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match="is missing"):
        load_section(path, "training", Section)


def test_a_single_value_is_a_section_too(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("synthesis: {seed: 5}")
    assert load_section(path, "synthesis.seed", int) == 5


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"absent\.yaml: no such file"):
        load_section(tmp_path / "absent.yaml", "training", Section)


@pytest.mark.parametrize(
    "content",
    [
        b"training: {net: 1",
        b"a: b: c",
        b"\tx: 1",
        b"a: 1\na: 2",
        b"a: *nowhere",
        b"a: !!python/object:os.system {}",
        b"a: \xe9",  # Latin-1
        b"a: \x00",
    ],
)
def test_bad_yaml_is_refused_by_its_file_on_one_line(tmp_path, content):
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"params\.yaml") as refusal:
        read_yaml(path)
    assert "\n" not in str(refusal.value)
