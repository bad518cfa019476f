"""Printer profiles: how well `qrestore profile` finds the parameters of simulated prints again.

    python -m benchmarks.profiles [--seeds 2]

Pages of targets are printed at 600 dpi by drawn settings of two printers and scanned at 600 and 1200 pixels an
inch. Writes `profiles.json` beside this file and the table in docs/printing.md; asserts nothing.
"""

import argparse
import os
import platform
import resource
import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmarks.readme import ROOT, put
from qrestore.files import write_json
from qrestore.optics.capture import FLATBED
from qrestore.optics.degradation import PROFILES, draw
from qrestore.sheets.own_profile import measure
from qrestore.sheets.profile import ABSOLUTE, TOLERANCE, TRIALS
from qrestore.sheets.simulation import print_page, scan
from qrestore.sheets.targets import draw_targets

HERE = Path(__file__).parent
PAGE = ROOT / "docs" / "printing.md"
PRINTERS = ("liquid-toner", "dry-toner")
PICTURE_DPIS = (600, 1200)
DPI, PAPER = 600, "A4"
_FIRST_SEED = 100  # the statistics were chosen on others


def main() -> int:
    """Print, scan, fit; write JSON and table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=2, help="settings a printer and scanner (2)")
    arguments = parser.parse_args()
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    cases = list(product(PRINTERS, PICTURE_DPIS, range(arguments.seeds)))
    fits = []
    with tqdm(total=len(cases) * TRIALS, desc="simulated pages", unit="page", leave=False) as bar:
        for printer, picture_dpi, seed in cases:
            fits.append(_fitted(printer, picture_dpi, seed, bar))
            tqdm.write(str(fits[-1]))
    result = {
        "command": f"python -m benchmarks.profiles --seeds {arguments.seeds}",
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "tolerance": TOLERANCE,
        "absolute": vars(ABSOLUTE),
        "fits": fits,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000,
    }
    write_json(HERE / "profiles.json", result)
    print(table(result))
    if PAGE.exists():
        put("profiles", table(result), PAGE)
    return 0


def table(result: dict[str, Any]) -> str:
    """True and fitted parameters of the first setting of every printer and scanner, and the worst of all."""
    fits = result["fits"]
    shown = [fit for fit in fits if fit["seed"] == 0]
    heads = [f"{fit['printer']}, {fit['picture_dpi']} pixels an inch" for fit in shown]
    lines = [
        f"| parameter | {' | '.join(heads)} | worst error of {len(fits)} fits | of its tolerance |",
        "|---" * (len(shown) + 3) + "|",
    ]
    for name, least in result["absolute"].items():
        cells = [f"{fit['true'][name]:.4f}: {fit['fitted'][name]:.4f} ± {fit['error'][name]:.4f}" for fit in shown]
        off = [(fit["fitted"][name] - fit["true"][name], fit["true"][name]) for fit in fits]
        shares = [abs(error) / max(result["tolerance"] * abs(true), least) for error, true in off]
        error, true = off[int(np.argmax(shares))]
        relative = f" ({100 * error / true:+.1f} %)" if true else ""
        failed = "" if max(shares) <= 1 else ": **missed**"
        lines.append(f"| `{name}` | {' | '.join(cells)} | {error:+.4f}{relative} | {100 * max(shares):.0f} %{failed} |")
    seconds, misfits = ([fit[name] for fit in fits] for name in ("cpu_seconds", "misfit"))
    least = ", ".join(f"`{name}` {value:g}" for name, value in result["absolute"].items())
    lines += [
        "",
        f"True: fitted ± its own error. Tolerance: {100 * result['tolerance']:.0f} % of the true value, but at least "
        f"about a tenth of what printers span: {least}. A fit takes {min(seconds):.0f}-{max(seconds):.0f} s of CPU on "
        f"one core; misfit {min(misfits):.2f}-{max(misfits):.2f}; at most {result['peak_mb']} MB, of which simulating "
        "the scan is a part.",
    ]
    return "\n".join(lines)


def _fitted(printer: str, picture_dpi: int, seed: int, bar: Any) -> dict[str, Any]:
    """Print, scan and fit one drawn setting, as `qrestore profile` does it."""
    setting = draw(
        replace(PROFILES[printer], capture=FLATBED), np.random.default_rng((_FIRST_SEED + seed, picture_dpi))
    )
    page = draw_targets(PAPER, DPI)
    jpeg = scan(print_page(page, setting, DPI / picture_dpi), page.frame, setting, picture_dpi, 1.0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scan.jpg"
        path.write_bytes(jpeg)
        began = time.process_time()
        found = measure(path, setting.paper, bar.update)
        seconds = time.process_time() - began
    values = vars(found.fit.values)
    return {
        "printer": printer,
        "picture_dpi": picture_dpi,
        "seed": seed,
        "true": {name: getattr(setting, name) for name in values},
        "fitted": values,
        "error": vars(found.fit.errors),
        "misfit": found.fit.misfit,
        "jpeg_quality": setting.jpeg_quality,
        "cpu_seconds": seconds,
    }


if __name__ == "__main__":
    sys.exit(main())
