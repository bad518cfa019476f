"""Pictures a second, from the file to the text, and how many are recognised: ours, Pan's and scikit-image's.

    python -m benchmarks.speed [--fast 100] [--slow 20]

Writes `speed.json` beside this file and the table of rates in docs/deblurring.md; asserts nothing about time.
scikit-image has no blind deconvolution: its nearest offers are told the true blur.
"""

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage import restoration

from benchmarks.readme import ROOT, put
from qrestore.arrays import Image, from_uint8
from qrestore.datasets.blur import Blur
from qrestore.datasets.defocus import defocus_capture, record, true_psf
from qrestore.datasets.index import read_index
from qrestore.datasets.row import Row
from qrestore.datasets.synthesis import encode_png
from qrestore.evaluation.benchmark import recognise
from qrestore.executor import pin_threads
from qrestore.files import write_json
from qrestore.pictures import open_grey
from qrestore.reading.deblur import deblur, prepare
from qrestore.restoration.fourier import plan
from qrestore.restoration.latent import observe
from qrestore.restoration.nonblind import deconvolve
from qrestore.restoration.scales import Scale, scales
from qrestore.restoration.spectrum import SIDE_PX
from qrestore.symbol.decode import same_text

RATES = Path(__file__).parent / "speed.json"
PAGE = ROOT / "docs/deblurring.md"
TEST = ROOT / "data/synthetic/defocus/test.parquet"
OUT_OF_FOCUS = tuple(f"v{version}" for version in range(1, 6))
CORES = os.cpu_count() or 1

BALANCE = 0.01
"""Weight of the prior in scikit-image's Wiener filter, which has no default.

With 1e-4 to 0.1 all of 20 validation pictures of versions 1 to 5 are read after it, with 1 only 14.
"""

HOPELESS_MODULES = 4

DESIGN_PAIR_MS, DESIGN_PAN_S = 0.192, 1.92
"""The same on the machine that the scales were designed on (DEBLUR.md 3, 4)."""

Filter = Callable[[Image, NDArray[np.float64]], Image]


@dataclass(frozen=True)
class Method:
    """A way from pictures to their texts.

    Attributes
    ----------
    read : restores and reads pictures; says of each whether the right text came out. None: it cannot run here.
    subsets : whose first unread pictures it is given, as many of each.
    change : what is done to them before.
    together : all pictures in one call, not one a call.
    """

    name: str
    read: Callable[[Sequence[Row]], list[bool]] | None
    pictures: int
    workers: Sequence[int] = (1,)
    subsets: Sequence[str] = OUT_OF_FOCUS
    change: Callable[[Row], Row] | None = None
    together: bool = False


def chain(rows: Sequence[Row]) -> list[bool]:
    """Go through `deblur`, which reads on its way."""
    texts = [deblur(_image(row)).text for row in rows]
    return [text is not None and same_text(text, row.text) for text, row in zip(texts, rows, strict=True)]


def hopeless(row: Row) -> Row:
    """Blur a row's symbol by a disk of so many modules that nothing reads it: what giving up costs."""
    radius = HOPELESS_MODULES * SIDE_PX / (len(row.matrix()) + 2 * (row.quiet_zone or 0))
    blurred = replace(row, degradation=record(Blur(kind="disk", radius_px=radius)))
    return replace(blurred, capture=encode_png(defocus_capture(blurred, SIDE_PX)))


def pan(rows: Sequence[Row]) -> list[bool]:
    """Go Pan's way, a picture at a time."""
    right = []
    for row in rows:
        *_, finest = scales(_image(row))
        right.append(_reads_pan(row, _image(row), finest))
    return right


def pan_batched(device: str, rows: Sequence[Row]) -> list[bool]:
    """Go Pan's way, the scales of all pictures together."""
    from qrestore.restoration.batched import batched_scales  # torch, after `pin_threads`

    images = np.stack([_image(row) for row in rows])
    *_, finest = batched_scales(images, device=device)
    return [_reads_pan(*each) for each in zip(rows, images, finest, strict=True)]


def filtered(restore: Filter, rows: Sequence[Row]) -> list[bool]:
    """Restore by a filter that is told the blur."""
    return [recognise(np.clip(restore(_image(row), true_psf(row)), 0, 1), row.text)[0] for row in rows]


def wiener(image: Image, psf: NDArray[np.float64]) -> Image:
    """Apply scikit-image's Wiener filter."""
    return np.asarray(restoration.wiener(image, psf, BALANCE))


def unsupervised_wiener(image: Image, psf: NDArray[np.float64]) -> Image:
    """Apply scikit-image's Wiener filter that chooses its own weights, by sampling."""
    return np.asarray(restoration.unsupervised_wiener(image, psf, rng=0)[0])


def richardson_lucy(image: Image, psf: NDArray[np.float64]) -> Image:
    """Apply scikit-image's Richardson-Lucy, to the ink: beyond the edge it supposes zeros, which paper is not."""
    return 1 - np.asarray(restoration.richardson_lucy(1 - image, psf))


def methods(fast: int, slow: int, gpu: bool) -> list[Method]:
    """List what is measured, on how many pictures."""
    each = range(1, CORES + 1)
    told = {
        "wiener": wiener,
        "unsupervised_wiener": unsupervised_wiener,
        "richardson_lucy": richardson_lucy,
    }
    return [
        Method("`deblur`, out of focus", chain, fast, each),
        Method("`deblur`, shake", chain, fast, each, ("shake",)),
        Method("`deblur`, uneven", chain, fast, each, ("uneven",)),
        Method(f"`deblur`, hopeless: a disk of {HOPELESS_MODULES} modules", chain, fast, each, change=hopeless),
        Method("Pan, a picture at a time", pan, slow, each),
        Method("Pan, batched on the CPU", partial(pan_batched, "cpu"), slow, together=True),
        Method("Pan, batched on a GPU", partial(pan_batched, "cuda") if gpu else None, fast, together=True),
        *(
            Method(f"`skimage.restoration.{name}`, told the blur", partial(filtered, restore), fast)
            for name, restore in told.items()
        ),
    ]


def measured(method: Method, rows: Sequence[Row], workers: int) -> dict[str, Any]:
    """Take the wall time of a method, everything set up before."""
    found: dict[str, Any] = {"method": method.name, "workers": workers}
    if method.read is None:
        return found
    parts = [rows] if method.together else [[row] for row in rows]
    context = get_context("spawn")
    ready = context.Barrier(workers)
    with ProcessPoolExecutor(workers, context, _ready, (ready,)) as executor:
        list(executor.map(method.read, [[row] for row in rows[: max(workers, len(rows) // 10)]]))
        start = time.perf_counter()
        right = sum(sum(answers) for answers in executor.map(method.read, parts))
        rate = len(rows) / (time.perf_counter() - start)
    return found | {"pictures": len(rows), "recognised": right, "pictures_per_second": float(f"{rate:.4g}")}


def pair_ms(side: int = 320, repeats: int = 300) -> float:
    """Median milliseconds of one forward and one inverse packed transform: the unit of all solvers here."""
    transforms = plan(side, side)
    picture = np.random.default_rng(0).random((side, side), np.float32)
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        transforms.inverse(transforms.forward(picture))
        taken.append(time.perf_counter() - start)
    return 1000 * median(taken)


def rates_table(measured: dict[str, Any]) -> str:
    """Recognition and pictures a second by method and workers; the transforms that Pan's way is worth."""
    head = f"{measured['date']}, {measured['machine']}"
    lines = [f"| {head} | workers | recognised | pictures a second |", "|---" * 4 + "|"]
    for one in measured["rates"]:
        cells = [one["method"], str(one["workers"])]
        if "pictures" in one:
            cells += [f"{one['recognised']} of {one['pictures']}", f"{one['pictures_per_second']:.3g}"]
        else:
            cells += ["-", "no GPU here"]
        lines.append(f"| {' | '.join(cells)} |")
    pair, slow = measured["transform_pair_ms"], measured["pan_seconds"]
    here = f"{pair:.2f} ms and {slow:.2f} s, {1000 * slow / pair:,.0f} pairs"
    design = f"{DESIGN_PAIR_MS} ms and {DESIGN_PAN_S} s, {1000 * DESIGN_PAN_S / DESIGN_PAIR_MS:,.0f} pairs"
    lines += [
        "",
        "Machines differ. One pair of transforms of 320 x 320, there and back, and Pan's way, a picture:",
        f"{here}; where it was designed {design}.",
    ]
    return "\n".join(lines)


def main() -> int:
    """Measure, write the figures and their table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fast", type=int, default=100, metavar="N", help="pictures of each quick row")
    parser.add_argument("--slow", type=int, default=20, metavar="N", help="of those that take seconds a picture")
    arguments = parser.parse_args()
    pin_threads()
    gpu = _gpu()
    unread = [row for row in read_index(TEST) if not row.readable]
    rates = []
    for method in methods(arguments.fast, arguments.slow, gpu is not None):
        share = max(1, method.pictures // len(method.subsets))
        rows = [row for subset in method.subsets for row in [row for row in unread if row.subset == subset][:share]]
        rows = [method.change(row) for row in rows] if method.change else rows
        for workers in method.workers:
            rates.append(measured(method, rows, workers))
            print(rates[-1], flush=True)
    alone = next(one for one in rates if (one["method"], one["workers"]) == ("Pan, a picture at a time", 1))
    found = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.machine()}, {CORES} cores, one thread a worker" + (f", {gpu}" if gpu else ""),
        "transform_pair_ms": round(pair_ms(), 3),
        "pan_seconds": round(1 / alone["pictures_per_second"], 3),
        "rates": rates,
    }
    write_json(RATES, found)
    put("rates", rates_table(found), PAGE)
    return 0


def _ready(barrier: Barrier) -> None:
    """Set a worker up; none begins before all are there."""
    pin_threads()
    prepare()
    barrier.wait(600)


def _gpu() -> str | None:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


def _image(row: Row) -> Image:
    return from_uint8(open_grey(row.capture))


def _reads_pan(row: Row, image: Image, finest: Scale) -> bool:
    """Read what Pan's way ends with: the picture after the non-blind step, else the finest latent one."""
    restored = deconvolve(observe(image, finest.kernel.shape[0]), finest.kernel)
    return recognise(restored, row.text)[0] or recognise(finest.image, row.text)[0]


if __name__ == "__main__":
    sys.exit(main())
