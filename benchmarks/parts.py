"""Benchmarks of several parts, of which one is measured at a time: `python -m benchmarks.NAME PART [NUMBERS]`."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cv2

from qrestore.files import read_json, write_json


def measured(parts: Mapping[str, Callable[..., dict[str, Any]]], path: Path) -> tuple[str, dict[str, Any]]:
    """Measure the part that the command line names, and keep it in a file beside the others; its name, and all."""
    cv2.setNumThreads(1)
    part, *numbers = sys.argv[1:] or [""]
    if part not in parts or not all(number.isdecimal() for number in numbers):
        print(f"usage: python -m benchmarks.{path.stem} {'|'.join(parts)} [NUMBERS]", file=sys.stderr)
        sys.exit(2)
    found = parts[part](*map(int, numbers))
    result = {**(read_json(path) if path.exists() else {}), part: found}
    write_json(path, result)
    return part, result
