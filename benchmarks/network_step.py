"""The last step of the cascade: what it reads beyond the chain, what that costs, and what it takes for a text.

    python -m benchmarks.network_step reads [EACH]
    python -m benchmarks.network_step set-up
    python -m benchmarks.network_step limits [EACH]
    python -m benchmarks.network_step attacks [EACH]

`reads`: generated photographs and close-ups that the cascade leaves unread at effort 1 (seed 1). `limits`: how well
symbols and pictures without any fit, and how much right and nearly right texts explain, which the two limits of
`reading.network` stand between. `attacks`: stickers, lines, scratches, and noise made by the network's own gradients.
Writes the part of `network_step.json` that it measured, and its table in docs/networks.md.
"""

import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from benchmarks.destroyed import DESTROYED
from benchmarks.network_attacks import attacked
from benchmarks.parts import measured
from benchmarks.photographs import CONDITIONS, Photograph, Scene, photograph, seen
from benchmarks.readme import put
from benchmarks.without import WITHOUT
from qrestore.arrays import Grey8
from qrestore.config import load_section
from qrestore.datasets.motion import Motion, motion_pair
from qrestore.datasets.synthesis import random_text
from qrestore.reading.framed import VERSIONS, codes_in, framed, whole
from qrestore.reading.hints import NOTHING_KNOWN
from qrestore.reading.likely import Look, explained, levelled, look_at, prepare
from qrestore.reading.model import shipped_model
from qrestore.reading.network import loaded, networked
from qrestore.reading.reader import read
from qrestore.symbol.decode import same_text
from qrestore.symbol.geometry import LEVELS, Level, module_matrix
from qrestore.symbol.render import render_at

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "benchmarks/network_step.json"
PAGE = ROOT / "docs/networks.md"
SEED, EACH = 1, 50
_CLOSE = Scene(
    versions=(1, 3),
    module_px=(5, 10),
    room=(0.0, 0.1),
    angle_deg=(-2, 2),
    tilt=(0.0, 0.02),
    motion=(2, 7),
    noise_sigma=(0.002, 0.008),
    jpeg_quality=(85, 98),
    clutter=0.0,
)
_PHOTOGRAPHS = ("out of focus", "moved", "shaken", "noisy", "everything a little", "damaged")
_AS_TRAINED, _MOVED = "upright and moved as in training, other contents", "moved, upright, fills its picture"
_BOUNDS = (0.05, 0.1, 0.15)
_STEPS = 40


def reads(each: int = EACH) -> dict[str, Any]:
    """What is read beyond the chain, by condition, and the CPU time of it."""
    prepare()
    loaded(shipped_model())
    rows = {}
    for name, drawn in _conditions():
        counted: Counter[str] = Counter(pictures=each)
        cost: list[float] = []
        for item in tqdm(range(each), desc=name, leave=False, disable=None):
            one = drawn(item)
            found = read(one.picture)
            if "network" not in found.milliseconds:
                continue
            counted["left"] += 1
            begin = time.process_time()
            networked(one.picture, [], np.inf, NOTHING_KNOWN, shipped_model())
            cost.append(time.process_time() - begin)
            if found.text is not None:
                right = any(same_text(found.text, text) for text in one.texts)
                counted[("network" if found.model else "estimate") if right else "wrong"] += 1
        rows[name] = {**counted, "cpu_ms": round(1000 * median(cost)) if cost else None}
        print(name, rows[name], file=sys.stderr, flush=True)
    return {"conditions": rows}


def set_up() -> dict[str, float]:
    """CPU seconds of what is set up once a process."""
    begin = time.process_time()
    prepare()
    tables = time.process_time() - begin
    loaded(shipped_model())(np.full((80, 80), 0.5, np.float32), 1)
    seconds = {"tables of blurs": tables, "torch and weights": time.process_time() - begin - tables}
    return {name: round(value, 2) for name, value in seconds.items()}


def _conditions() -> list[tuple[str, Callable[[int], Photograph]]]:
    names = list(CONDITIONS)

    def drawn(name: str) -> Callable[[int], Photograph]:
        return lambda item: photograph(name, np.random.default_rng([SEED, names.index(name), item]))

    return [*((name, drawn(name)) for name in _PHOTOGRAPHS), (_MOVED, _moved), (_AS_TRAINED, _as_trained)]


def _moved(item: int, scene: Scene = _CLOSE) -> Photograph:
    rng = np.random.default_rng([SEED, 3000, item])
    version, level, text = _content(rng)
    picture, corners = seen(module_matrix(text, version, level, int(rng.integers(8))), scene, rng)
    return Photograph(picture, (text,), "", version, corners)


def _as_trained(item: int) -> Photograph:
    settings = load_section(ROOT / "params.yaml", "synthesis.motion", Motion)
    row, (capture, _) = motion_pair(settings, SEED, "validation", item, seen=False)
    return Photograph(_grey(capture), (row.text,), "", row.symbol_version or 0, np.zeros((4, 2)))


def _grey(colour: Any) -> Grey8:
    return np.asarray(cv2.cvtColor(colour, cv2.COLOR_RGB2GRAY), np.uint8)


def _content(rng: np.random.Generator) -> tuple[int, Level, str]:
    version, level = int(rng.choice(VERSIONS)), LEVELS[rng.integers(4)]
    return version, level, random_text(rng, version, level)


def _neighbour(text: str, rng: np.random.Generator) -> str:
    """The same with one character changed."""
    at = int(rng.integers(len(text)))
    return text[:at] + ("1" if text[at] != "1" else "2") + text[at + 1 :]


def limits(each: int = EACH) -> dict[str, Any]:
    """Fits of moved symbols and of pictures without any; shares that right texts and their neighbours explain."""
    fits: dict[str, list[float]] = {"moved symbols": []}
    right, neighbours = [], []
    draw = loaded(shipped_model())
    for item in tqdm(range(each), desc="symbols", leave=False, disable=None):
        rng = np.random.default_rng([SEED, 4000, item])
        for one in (_moved(item), _as_trained(item)):
            if not (looks := _looks(one.picture)):
                continue
            fits["moved symbols"].append(looks[0].fit)
            for look in (levelled(each) for each in looks[:2]):
                for image in (look.estimate, draw(look.shown.image, look.shown.placed.symbol_version)):
                    codes = list(codes_in(image, look.shown.placed.side))
                    if not any(same_text(code.text, one.texts[0]) for code in codes):
                        continue
                    right.append(_best(look, one.texts[0]))
                    neighbours.append(_best(look, _neighbour(one.texts[0], rng)))
    for kind, make in (WITHOUT | DESTROYED).items():
        drawn = (make(np.random.default_rng([SEED, 5000, item])) for item in range(each))
        fits[kind] = [looks[0].fit if (looks := _looks(one.picture)) else 0.0 for one in drawn]
    return {
        "fit": {kind: _quantiles(values) for kind, values in fits.items()},
        "explained": {"right texts": _quantiles(right), "one character changed": _quantiles(neighbours)},
        "drawings": len(right),
    }


def _looks(picture: Grey8) -> list[Look]:
    looks = [look_at(framed(picture, placed)) for placed in whole(picture, NOTHING_KNOWN)]
    return sorted(looks, key=lambda look: -look.fit)


def _best(look: Look, text: str) -> float:
    """What a text explains under the level and mask that suit it best."""
    shares = [0.0]
    for level in LEVELS:
        for mask in range(8):
            try:
                matrix = module_matrix(text, look.shown.placed.symbol_version, level, mask)
            except ValueError:
                continue
            shares.append(explained(look, matrix))
    return max(shares)


def _quantiles(values: list[float]) -> list[float]:
    return [round(float(value), 3) for value in np.quantile(values, (0, 0.05, 0.5, 0.95, 1))]


def attacks(each: int = EACH) -> dict[str, Any]:
    """Texts that the step reads in spoilt symbols, and in what was made for the network to draw another text."""
    spoilt = replace(_CLOSE, damage=(0.05, 0.3), motion=(0, 4))
    damaged = Counter(judged(_moved(item, spoilt)) for item in range(each))
    rows: dict[str, dict[str, Any]] = {"stickers, lines, scratches": {"pictures": each, **damaged}}
    for bound in _BOUNDS:
        for kind in ("another text", "one character changed", "an even picture"):
            counted: Counter[str] = Counter(pictures=each)
            for item in tqdm(range(each), desc=f"{kind}, {bound}", leave=False, disable=None):
                one, wanted = attack(item, kind, bound)
                counted[judged(one)] += 1
                counted["drawn"] += draws(one.picture, wanted)
            rows[f"gradients, up to {bound:g} of white: {kind}"] = dict(counted)
            print(kind, bound, dict(counted), file=sys.stderr, flush=True)
    return {"steps": _STEPS, "rows": rows}


def attack(item: int, kind: str, bound: float) -> tuple[Photograph, str]:
    """Make a picture with the network's gradients, and name the text that it shall draw."""
    settings = load_section(ROOT / "params.yaml", "synthesis.motion", Motion)
    row, (capture, ideal) = motion_pair(settings, SEED, "validation", item, seen=False)
    assert row.symbol_version and row.level and row.quiet_zone is not None
    rng = np.random.default_rng([SEED, 6000, item])
    wanted = random_text(rng, row.symbol_version, row.level)
    if kind == "one character changed":
        wanted = _neighbour(row.text, rng)
    picture = np.full_like(ideal, 200) if kind == "an even picture" else _grey(capture)
    shown = render_at(module_matrix(wanted, row.symbol_version, row.level, row.mask), ideal.shape[0], row.quiet_zone)
    made = attacked(picture, np.asarray(shown, np.float32), row.symbol_version, bound, _STEPS, shipped_model().path)
    own = () if kind == "an even picture" else (row.text,)
    return Photograph(made, own, "", row.symbol_version, np.zeros((4, 2))), wanted


def judged(one: Photograph) -> str:
    """Tell what the step reads, own text, false or unread."""
    found = networked(one.picture, [], np.inf, NOTHING_KNOWN, shipped_model())
    if found is None:
        return "unread"
    return "own text" if any(same_text(found.codes[0].text, text) for text in one.texts) else "false"


def draws(picture: Grey8, wanted: str) -> bool:
    """Whether the network draws a text, proven or not."""
    draw = loaded(shipped_model())
    for look in _looks(picture)[:2]:
        side, version = look.shown.placed.side, look.shown.placed.symbol_version
        for image in (look.shown.image, levelled(look).shown.image):
            if any(same_text(code.text, wanted) for code in codes_in(draw(image, version), side)):
                return True
    return False


def table(result: dict[str, Any]) -> str:
    """Reads, limits and attacks, one table each."""
    read_rows = ["| pictures | left by the chain | read by the estimate | by the network | wrong texts | CPU ms |"]
    read_rows.append("|---|---|---|---|---|---|")
    for name, row in result["reads"]["conditions"].items():
        cells = [f"{row.get('left', 0)} of {row['pictures']}"]
        cells += [str(row.get(kind, 0)) for kind in ("estimate", "network", "wrong")]
        read_rows.append(f"| {name} | {' | '.join(cells)} | {row['cpu_ms'] or '-'} |")
    set_up = ", ".join(f"{name} {value} s" for name, value in result["set-up"].items())
    limit_rows = ["| quantiles | least | 5 % | 50 % | 95 % | most |", "|---|---|---|---|---|---|"]
    for what, kinds in (("fit", result["limits"]["fit"]), ("explained", result["limits"]["explained"])):
        for kind, values in kinds.items():
            limit_rows.append(f"| {what}: {kind} | {' | '.join(map(str, values))} |")
    attack_rows = ["| spoilt | pictures | the network draws what was asked for | false texts | own text read |"]
    attack_rows.append("|---|---|---|---|---|")
    for name, row in result["attacks"]["rows"].items():
        drawn = row.get("drawn", "-")
        attack_rows.append(
            f"| {name} | {row['pictures']} | {drawn} | {row.get('false', 0)} | {row.get('own text', 0)} |"
        )
    parts = ["\n".join(rows) for rows in (read_rows, limit_rows, attack_rows)]
    parts[0] += f"\n\nSet up once a process, CPU: {set_up}."
    return "\n\n".join(parts)


PARTS: dict[str, Callable[..., dict[str, Any]]] = {
    "reads": reads,
    "set-up": set_up,
    "limits": limits,
    "attacks": attacks,
}


def main() -> None:
    """Measure one part; write the tables once all are there."""
    _, result = measured(PARTS, RESULT)
    if result.keys() >= PARTS.keys():
        put("network-step", table(result), PAGE)


if __name__ == "__main__":
    main()
