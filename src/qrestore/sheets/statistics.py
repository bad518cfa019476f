"""Statistics of tiles of targets: how bright, how even, how sharp, by patch; what a simulated print is compared by.

| lattice | (TILE_HEIGHT_PX, TILE_WIDTH_PX, 3) float32, brightness in [0, 1] at the middle of every printer dot |
|---|---|
| moment | a mean of powers of the lattice over a patch, of one tile; means of tiles make statistics |
| gain | of a channel: its brightness over the reflectance of what it shows |
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from qrestore.sheets.targets import EDGE, GAPS, HOLES, INK, PAPER, SIDES, Patch, patches

Moments = NDArray[np.float64]
"""(tiles, moments), columns as `names` has them."""

_RIM_PX = 8  # of large patches, where the lens still sees their surroundings
_COARSE_PX = 10
_HOLE_RIM_PX = 1
_VARIANCE, _COVARIANCE, _CUBE, SIZE = "variance", "covariance", "third moment", "size"
_POWERS = {_VARIANCE: 2, _COVARIANCE: 2, _CUBE: 3, SIZE: 2}


@cache
def names() -> tuple[tuple[str, str], ...]:
    """Patch and kind of every moment."""
    flat = np.zeros((max(p.y + p.side_px for p in patches()), max(p.x + p.side_px for p in patches()), 3), np.float32)
    return tuple(_measured(flat))


def moments(lattice: NDArray[np.float32]) -> NDArray[np.float64]:
    """Measure a tile: (moments,)."""
    return np.array(list(_measured(lattice).values()))


def paper_levels(lattice: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean brightness of bare paper by channel: (3,)."""
    patch = patches()[0]
    return np.asarray(_cut(lattice, patch, _RIM_PX).mean((0, 1)), np.float64)


def levelled(found: Moments, gain: NDArray[np.float64]) -> Moments:
    """Moments of reflectance: those of brightness over the powers of each tile's gain, (tiles,)."""
    powers = np.array([_power(kind) for _, kind in names()], np.float64)
    scale: Moments = gain[:, None] ** powers
    return found / scale


def statistics(found: Moments) -> NDArray[np.float64]:
    """Make numbers that change about linearly with a print's parameters, from means over all tiles.

    Means and contrasts stay, spreads become their logarithms, covariances correlations.
    """
    mean = found.mean(0)
    out = mean.copy()
    variance = {}
    for i, (patch, kind) in enumerate(names()):
        part, _, what = kind.rpartition(" ")
        if what == _VARIANCE:
            variance[patch, part] = mean[i]
            out[i] = np.log(max(mean[i], 1e-12)) / 2
        elif what == _COVARIANCE:
            out[i] = mean[i] / max(variance[patch, part.partition(" ")[0]], 1e-12)
    return np.asarray(out, np.float64)


def spread(found: Moments) -> NDArray[np.float64]:
    """Standard errors of the statistics of as many tiles: jackknife over tiles."""
    tiles = len(found)
    without = np.array([statistics(np.delete(found, i, 0)) for i in range(tiles)])
    return np.asarray(np.sqrt((tiles - 1) * without.var(0)))


def contrasts(found: Moments) -> dict[str, tuple[float, float]]:
    """Contrast of isolated dots, and how many times its own spread a dot is, by "black 1", "white 1" and so on."""
    mean = dict(zip(names(), found.mean(0).tolist(), strict=True))
    return {
        f"{colour} {side}": (
            mean[name, "contrast"],
            float(np.sqrt(mean[name, SIZE] / max(mean[name, f"amplitude {_VARIANCE}"], 1e-12))),
        )
        for side in SIDES
        for colour in ("black", "white")
        for name in (f"{colour} {side}/{side + GAPS[-1]}",)
    }


def _power(kind: str) -> int:
    return next((power for name, power in _POWERS.items() if kind.endswith(name)), 1)


def _measured(lattice: NDArray[np.float32]) -> dict[tuple[str, str], float]:
    out: dict[tuple[str, str], list[float]] = {}
    for patch in patches():
        measured = _even(lattice, patch) if patch.name in (PAPER, INK) else _patterned(lattice, patch)
        for kind, value in measured.items():
            out.setdefault((patch.name, kind), []).append(value)
    return {key: float(np.mean(values)) for key, values in out.items()}


def _even(lattice: NDArray[np.float32], patch: Patch) -> dict[str, float]:
    """Solid ink or bare paper: common to all channels is texture, what they differ in is the sensor's noise."""
    part = _cut(lattice, patch, _RIM_PX).astype(np.float64)
    grey = part.mean(2)
    off, apart = grey - grey.mean(), part[:, :, 0] - part[:, :, 2]
    apart = apart - apart.mean()
    size = off.shape[0] // _COARSE_PX * _COARSE_PX
    coarse = off[:size, :size].reshape(size // _COARSE_PX, _COARSE_PX, -1, _COARSE_PX).mean((1, 3))
    return {
        "mean": float(grey.mean()),
        f"grey {_VARIANCE}": float((off**2).mean()),
        f"grey 1 {_COVARIANCE}": _lagged(off, 1),
        f"grey 2 {_COVARIANCE}": _lagged(off, 2),
        f"fine {_VARIANCE}": float((np.diff(np.diff(off, axis=0), axis=1) ** 2).mean() / 4),
        f"coarse {_VARIANCE}": float(coarse.var()),
        f"colour {_VARIANCE}": float((apart**2).mean()),
        f"colour 1 {_COVARIANCE}": _lagged(apart, 1),
    }


def _patterned(lattice: NDArray[np.float32], patch: Patch) -> dict[str, float]:
    """Mean of a repeated cell, and how its repeats differ from that."""
    height, width = patch.cell.shape
    down, right = patch.side_px // height, patch.side_px // width
    grey = _cut(lattice, patch, 0).mean(2).astype(np.float64)[: down * height, : right * width]
    cells = grey.reshape(down, height, right, width).transpose(0, 2, 1, 3)
    if min(cells.shape[:2]) > 2:
        cells = cells[1:-1, 1:-1]  # those at the rim have other neighbours
    mean = cells.mean((0, 1))
    out = {"mean": float(mean.mean())}
    if patch.name == EDGE:
        slope = np.diff(mean, axis=1)
        return out | {f"slope {_VARIANCE}": float((slope**2).mean())}
    if patch.name == HOLES:
        rim = height // 4 + _HOLE_RIM_PX
        inside = grey.reshape(down, height, right, width).transpose(0, 2, 1, 3)[:, :, rim:-rim, rim:-rim]
        off = inside - inside.mean((0, 1))
        out["mean"] = float(inside.mean())
        return out | {f"grey {_VARIANCE}": float((off**2).mean()), _CUBE: float((off**3).mean())}
    off = cells - mean
    shape = mean - mean.mean()
    size = max(float((shape**2).sum()), 1e-9)
    return out | {
        SIZE: size,
        "contrast": float(mean[patch.cell].mean() - mean[~patch.cell].mean()),
        f"grey {_VARIANCE}": float((off**2).mean()),
        # Of a dot as a whole, in its contrast: how unlike each other dots are.
        f"amplitude {_VARIANCE}": float(((off * shape).sum((2, 3)) ** 2).mean() / size),
    }


def _cut(lattice: NDArray[np.float32], patch: Patch, rim_px: int) -> NDArray[np.float32]:
    down, right = (slice(at + rim_px, at + patch.side_px - rim_px) for at in (patch.y, patch.x))
    return lattice[down, right]


def _lagged(off: NDArray[np.float64], lag: int) -> float:
    return float(((off[lag:] * off[:-lag]).mean() + (off[:, lag:] * off[:, :-lag]).mean()) / 2)
