"""Tiles of targets of a picture, printed and captured again by the model of `optics` with other parameters."""

import io
from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from qrestore.arrays import to_uint8
from qrestore.optics.capture import sensor_noise
from qrestore.optics.degradation import Degradation, generators
from qrestore.sheets.observed import Observed, corners_px, sample, shifted
from qrestore.sheets.simulation import look, see_print
from qrestore.sheets.statistics import Moments, levelled, moments, paper_levels
from qrestore.sheets.targets import patches, tile

MOTTLE_PX = 2.0
"""Scale of mottle, not fitted: the statistics tell its spread, hardly its scale."""

Tables = dict[int, list[int]]
"""Quantisation tables of a JPEG file."""

_MARGIN_PX = 12
_BORDER_PX = 4
_JPEG_BLOCK_PX = 16
_SEED = 20261122
_STILL = (0.0, 0.0)


@dataclass(frozen=True)
class Values:
    """Parameters that are fitted; names and units of `Printing` and `Capture`."""

    ink_sigma_px: float
    dot_gain: float
    mottle_sigma: float
    ink: float
    paper_texture_sigma: float
    ink_texture_sigma: float
    satellite_share: float
    lens_sigma_px: float
    noise_sigma: float

    def array(self) -> NDArray[np.float64]:
        """Values in the order of their names."""
        return np.array(astuple(self), np.float64)


def values_of(array: NDArray[np.float64]) -> Values:
    """Turn an array back, in the order of the names."""
    return Values(*array.tolist())


def resimulate(seen: Observed, values: Values, paper: float, tables: Tables | None, tiles: int) -> Moments:
    """Print and capture tiles of a picture again, with the same random numbers at every call.

    Parameters
    ----------
    paper : reflectance of bare paper.
    tables : of the picture's JPEG; None where it is none.
    tiles : how many, evenly chosen; more than there are are taken again, printed anew.

    Returns
    -------
    (tiles, moments), in units of bare paper.
    """
    chosen = np.arange(tiles) * len(seen.homographies) // tiles
    found, levels = [], []
    for order, number in enumerate(chosen.tolist()):
        lattice = _captured(seen, number, _setting(values, paper, _SEED + order), tables)
        found.append(moments(lattice))
        levels.append((paper_levels(lattice) / seen.gains[number]).mean())
    return levelled(np.array(found), seen.gains[chosen].mean(1) * np.mean(levels))


def _captured(seen: Observed, number: int, d: Degradation, tables: Tables | None) -> NDArray[np.float32]:
    """Lattice of one tile, as `sample` gives it."""
    rng = generators(d.seed)
    label = np.pad(tile(), _MARGIN_PX, constant_values=True).astype(np.float64)
    light = see_print(label, d, 1 / seen.px_per_dot, rng) * _tilt(seen, number)
    corners = corners_px(seen.homographies[number])
    low = np.floor((corners.min(0) - _BORDER_PX) / _JPEG_BLOCK_PX).astype(int) * _JPEG_BLOCK_PX
    width, height = (np.ceil(corners.max(0) + _BORDER_PX).astype(int) - low).tolist()
    within = shifted(-low[0], -low[1]) @ seen.homographies[number]
    grey = look(light, within @ shifted(-_MARGIN_PX, -_MARGIN_PX), (0, 0, width, height))
    lit = grey[:, :, None] * (seen.gains[number] / d.paper)
    picture = to_uint8(sensor_noise(lit[:, :, 0] if seen.grey else lit, d.noise_sigma, rng["noise"]))
    picture = picture if tables is None else _through_jpeg(picture, tables)
    return sample(np.repeat(picture[:, :, None], 3, 2) if seen.grey else picture, within)


def _tilt(seen: Observed, number: int) -> NDArray[np.float64]:
    """Light on a tile and its margin, against that on its bare paper, where the gains were measured."""
    paper = patches()[0]
    down, right = (np.arange(-_MARGIN_PX, side + _MARGIN_PX) for side in tile().shape)
    across = (right - paper.x - paper.side_px / 2) / seen.frame.width_px * seen.light_slope[0]
    rise = (
        across[None, :] + ((down - paper.y - paper.side_px / 2) / seen.frame.height_px * seen.light_slope[1])[:, None]
    )
    return np.asarray(1 + rise * seen.gains.mean() / seen.gains[number].mean())


def _through_jpeg(picture: NDArray[np.uint8], tables: Tables) -> NDArray[np.uint8]:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", qtables=tables)
    return np.asarray(Image.open(stream))


def _setting(values: Values, paper: float, seed: int) -> Degradation:
    return Degradation(
        seed=seed,
        mottle_px=MOTTLE_PX,
        paper=paper,
        abrasion_share=0,
        patch_px=1,
        fade=0,
        scratches=0,
        scratch_width_px=1,
        scratch_length_px=1,
        corner_offsets_px=(_STILL, _STILL, _STILL, _STILL),
        light_slope=_STILL,
        exposure=1,
        colour_cast=(0, 0, 0),
        jpeg_quality=100,
        defocus_radius_px=0,
        motion_length_px=0,
        motion_angle_deg=0,
        **vars(values),
    )
