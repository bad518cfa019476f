"""The one strict reader of `params.yaml`: a section becomes a frozen dataclass or a clear error."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

T = TypeVar("T")

SECTIONS = ("synthesis", "validation", "training", "calibration", "evaluation", "promotion")
"""Sections of the parameter file, each read by the stages that list it (promotion: by `tracking`)."""


class ConfigError(ValueError):
    """Something in a configuration file is wrong; the message names the file, the dotted key and the remedy."""


def load_section(path: Path, section: str, kind: type[T]) -> T:
    """Read one section of a parameter file.

    Parameters
    ----------
    path : YAML file.
    section : dotted name of the section, e.g. "training.qr-deblurrer".
    kind : frozen dataclass; its annotations say type and range.

    Raises
    ------
    ConfigError
        A missing file or section, an unknown or missing key, a wrong type (`true` or 1.5 for an
        integer, too), a value out of range.
    """
    value: Any = read_yaml(path)
    for key in section.split("."):
        if not isinstance(value, dict) or key not in value:
            raise ConfigError(
                f"{path}: section {section!r} is missing; `git checkout {path.name}` brings the default back"
            )
        value = value[key]
    try:
        # JSON has lists and string keys only; pydantic's strict JSON mode makes tuples and integers of them.
        loaded = TypeAdapter(kind).validate_json(json.dumps(value, default=str), strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join([section, *(str(part) for part in first["loc"])])
        given = "" if first["type"] == "missing" else f" (given: {json.dumps(first['input'])})"
        raise ConfigError(f"{path}: {where}: {first['msg']}{given}") from None
    for key in _unknown(value, loaded):
        raise ConfigError(f"{path}: {section}.{key}: unknown key; remove it or correct its spelling")
    return loaded


def check_sections(path: Path) -> None:
    """Refuse a parameter file with a section that nothing reads; raises ConfigError."""
    found = read_yaml(path)
    for key in found if isinstance(found, dict) else ():
        if key not in SECTIONS:
            raise ConfigError(f"{path}: {key}: unknown section; known: {', '.join(SECTIONS)}")


def read_yaml(path: Path) -> Any:
    """Read a YAML 1.2 file, in which 1e-3 is a number."""
    try:
        text = path.read_text(encoding="utf-8")
        return YAML(typ="safe", pure=True).load(text)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; run from the root of the repository") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: no valid YAML: {' '.join(str(error).split())}") from None


def _unknown(given: Any, loaded: Any, prefix: str = "") -> Iterator[str]:
    """Keys that stand in the file but in no dataclass."""
    if dataclasses.is_dataclass(loaded):
        known = {field.name for field in dataclasses.fields(loaded)}
        for key, value in given.items():
            if key not in known:
                yield f"{prefix}{key}"
            else:
                yield from _unknown(value, getattr(loaded, key), f"{prefix}{key}.")
    elif isinstance(loaded, dict):
        for (key, value), inner in zip(given.items(), loaded.values(), strict=True):
            yield from _unknown(value, inner, f"{prefix}{key}.")
