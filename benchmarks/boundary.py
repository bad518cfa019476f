"""Where each reader stops reading as blur grows, beside the boundary radii B of [fast-deblur] 3.1.

    python -m benchmarks.boundary

Pictures: the boundary set of stage `calibrate`, versions 1-5 at level H, in memory. Beside our own readers
stands the paper's, ZXing-Java, where Debian's `libzxing-core-java` (or a jar named by ZXING_JAR) and a JDK
are installed; elsewhere its rows are dashes. Writes `boundary.json` beside this file and the table in
docs/deblurring.md.
"""

import os
import platform
import shutil
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from subprocess import PIPE, Popen
from typing import IO, Any
from zipfile import BadZipFile, ZipFile

import numpy as np
from tqdm import tqdm

from benchmarks.readme import ROOT, put
from qrestore.arrays import Grey8
from qrestore.config import load_section
from qrestore.datasets.boundary import BoundarySet, boundary_rows
from qrestore.datasets.defocus import Defocus, defocus_capture
from qrestore.datasets.row import Row
from qrestore.executor import pin_threads
from qrestore.files import write_json
from qrestore.restoration.calibration import boundary
from qrestore.stages import PARAMS
from qrestore.symbol.decode import require_readers, same_text

HERE = Path(__file__).parent
PAGE = ROOT / "docs" / "deblurring.md"

PUBLISHED_PX = {1: 9.1, 2: 8.9, 3: 6.75, 4: 5.5, 5: 4.9}
"""B by symbol version, [fast-deblur] 3.1."""

NARROW_QUIET_ZONE = 2
"""Modules; another layout than that of the data sets, which the paper does not rule out."""

HYBRID, GLOBAL = "ZXing-Java, HybridBinarizer", "ZXing-Java, GlobalHistogramBinarizer"
NARROW = f"{HYBRID}, quiet zone {NARROW_QUIET_ZONE}"
DEFINITIONS = ("first_miss_px", "half_px", "last_success_px")

Texts = dict[str, list[str]]
"""What was read from one picture, by reader."""


def main() -> int:
    """Measure, write JSON and table."""
    pin_threads()
    settings = load_section(PARAMS, "calibration.boundary", BoundarySet)
    defocus = load_section(PARAMS, "synthesis.defocus", Defocus)
    seed = load_section(PARAMS, "synthesis.seed", int)
    jar, jar_version = _zxing_jar()
    with _zxing_java(jar) if jar else nullcontext() as read_java:

        def read_all(picture: Grey8) -> Texts:
            plain = {name: [code.text for code in read(picture)] for name, read in require_readers().items()}
            return plain | (read_java(picture) if read_java else {})

        figures = _measure(settings, defocus, seed, read_all)
        if read_java:
            narrow = replace(defocus, quiet_zone=NARROW_QUIET_ZONE)
            figures[NARROW] = _measure(settings, narrow, seed, read_java)[HYBRID]
    result = {
        "command": "python -m benchmarks.boundary",
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, one thread",
        "versions": {
            "zxing-cpp": version("zxing-cpp"),
            "pyzbar": version("pyzbar"),
            "opencv": version("opencv-python"),
            "ZXing-Java": jar_version,
        },
        "settings": {**asdict(settings), "quiet_zone": defocus.quiet_zone, "noise_sigma": defocus.noise_sigma},
        "readers": {name: figures.get(name) for name in (*require_readers(), HYBRID, GLOBAL, NARROW)},
    }
    write_json(HERE / "boundary.json", result)
    print(table(result))
    put("boundary", table(result), PAGE)
    return 0


def table(result: dict[str, Any]) -> str:
    """Radii by reader and version, and how far each definition lies from B over the five versions; a dash: none."""
    heads = " | ".join(f"version {number}" for number in PUBLISHED_PX)
    published = " | ".join(f"{radius:g}" for radius in PUBLISHED_PX.values())
    lines = [
        f"| px: first miss / 50 % / last success | {heads} | mean distance from B |",
        "|---" * (len(PUBLISHED_PX) + 2) + "|",
        f"| B of [fast-deblur] | {published} | - |",
    ]
    for name, figures in result["readers"].items():
        if figures is None:
            lines.append(f"| {name} | " + " | ".join("-" * (len(PUBLISHED_PX) + 1)) + " |")
            continue
        radii = [[figures[str(number)][definition] for definition in DEFINITIONS] for number in PUBLISHED_PX]
        away = [
            None if None in column else float(np.mean(np.abs(np.subtract(column, list(PUBLISHED_PX.values())))))
            for column in zip(*radii, strict=True)
        ]
        lines.append(f"| {name} | " + " | ".join(_triple(cell) for cell in [*radii, away]) + " |")
    return "\n".join(lines)


def _triple(values: list[float | None]) -> str:
    return " / ".join("-" if value is None else f"{value:.2f}" for value in values)


def _measure(
    settings: BoundarySet, defocus: Defocus, seed: int, read: Callable[[Grey8], Texts]
) -> dict[str, dict[str, Any]]:
    """Boundary of every reader by symbol version."""
    rows = [row for row in boundary_rows(settings, defocus, seed) if row.level == "H"]
    rows = [row for row in rows if row.symbol_version in PUBLISHED_PX]
    name = f"boundary set, quiet zone {defocus.quiet_zone}"
    seen: dict[str, dict[int, list[tuple[Row, list[str]]]]] = {}
    for row in tqdm(rows, desc=name, unit="picture", leave=False, disable=None):
        for reader, texts in read(defocus_capture(row, defocus.side_px)).items():
            seen.setdefault(reader, {}).setdefault(row.symbol_version or 0, []).append((row, texts))
    return {
        reader: {str(number): _figures(pairs) for number, pairs in versions.items()}
        for reader, versions in seen.items()
    }


def _figures(pairs: list[tuple[Row, list[str]]]) -> dict[str, Any]:
    """Boundary over all contents, the 50 % point of each alone, and how often a wrong text was read."""
    found: dict[str, Any] = _boundary(pairs)
    contents = dict.fromkeys(row.text for row, _ in pairs)
    found["half_px_by_content"] = [
        _boundary([pair for pair in pairs if pair[0].text == content])["half_px"] for content in contents
    ]
    found["images"] = len(pairs)
    found["wrong_texts"] = sum(bool(texts) and not _right(row, texts) for row, texts in pairs)
    return found


def _boundary(pairs: list[tuple[Row, list[str]]]) -> dict[str, float | None]:
    radii = [row.defocus_radius_px or 0.0 for row, _ in pairs]
    found = boundary(radii, [_right(row, texts) for row, texts in pairs])
    return {name: value and round(value, 4) for name, value in asdict(found).items()}


def _right(row: Row, texts: list[str]) -> bool:
    return any(same_text(text, row.text) for text in texts)


def _zxing_jar() -> tuple[Path | None, str | None]:
    """Jar of ZXing-Java and its version; without it or a JDK neither, and one line that says what to install."""
    named = os.environ.get("ZXING_JAR")
    places = [Path(named)] if named else sorted(Path("/usr/share/java").glob("*core*.jar"))
    found = {jar: said for jar in places if (said := _version_of(jar))}
    missing = [] if found else ["libzxing-core-java"]
    if not (shutil.which("java") and shutil.which("javac")):
        missing.append("default-jdk-headless")
    if missing:
        print(f"ZXing-Java is left out; on Debian: apt-get install {' '.join(missing)}", file=sys.stderr)
        return None, None
    return next(iter(found.items()))


def _version_of(jar: Path) -> str | None:
    """Version that a jar of ZXing's core says it has; None for any other file."""
    try:
        with ZipFile(jar) as file:
            told = file.read("META-INF/maven/com.google.zxing/core/pom.properties").decode()
    except (OSError, BadZipFile, KeyError):
        return None
    return dict(line.split("=", 1) for line in told.splitlines() if "=" in line).get("version")


@contextmanager
def _zxing_java(jar: Path) -> Iterator[Callable[[Grey8], Texts]]:
    """One Java process for all pictures; `ZXing.java` has the protocol."""
    command = ["java", "-XX:+UseSerialGC", "-cp", str(jar), str(HERE / "ZXing.java")]
    with Popen(command, stdin=PIPE, stdout=PIPE) as process:
        assert process.stdin and process.stdout
        to_java, from_java = process.stdin, process.stdout

        def read(picture: Grey8) -> Texts:
            height, width = picture.shape
            to_java.write(struct.pack(">ii", width, height) + picture.tobytes())
            to_java.flush()
            return {name: _answer(from_java) for name in (HYBRID, GLOBAL)}

        yield read


def _answer(from_java: IO[bytes]) -> list[str]:
    head = from_java.read(4)
    if len(head) < 4:
        raise RuntimeError("ZXing-Java ended early; its own message stands above")
    (length,) = struct.unpack(">i", head)
    return [] if length < 0 else [from_java.read(length).decode()]


if __name__ == "__main__":
    sys.exit(main())
