"""A sheet to look at: the symbol as it was, as it was restored, and which of its modules the picture shows wrong."""

import cv2
import numpy as np
from numpy.typing import NDArray

from qrestore.arrays import Image, to_uint8
from qrestore.reading.attempt import Attempt
from qrestore.reading.proof import Proof

_PANEL_PX, _GAP_PX, _HEAD_PX = 360, 16, 34
_DARK, _LIGHT = np.array([40, 40, 40], np.uint8), np.array([255, 255, 255], np.uint8)
_DARK_WRONG, _LIGHT_WRONG = np.array([196, 30, 30], np.uint8), np.array([255, 150, 120], np.uint8)
"""Modules that are seen dark but should be light, and the other way round."""


def sheet(attempt: Attempt) -> NDArray[np.uint8]:
    """Draw the panels that an attempt has, side by side with their titles: (height, width, 3) RGB uint8."""
    panels = []
    if attempt.before is not None:
        panels.append(_panel("as photographed", _grey(attempt.before)))
    if attempt.after is not None:
        panels.append(_panel("restored", _grey(attempt.after)))
    if attempt.proof is not None:
        wrong = int((attempt.proof.seen != attempt.proof.right).sum())
        panels.append(_panel(f"{wrong} of {attempt.proof.right.size} modules seen wrong", module_errors(attempt.proof)))
    gap = np.full((_HEAD_PX + _PANEL_PX + _GAP_PX, _GAP_PX, 3), 255, np.uint8)
    return np.concatenate([gap, *(part for panel in panels for part in (panel, gap))], axis=1)


def module_errors(proof: Proof) -> NDArray[np.uint8]:
    """Draw the modules as the picture shows them, the wrong ones red: (side, side, 3) RGB uint8."""
    seen, right = proof.seen[:, :, None], proof.right[:, :, None]
    as_right = np.where(seen, _DARK, _LIGHT)
    as_wrong = np.where(seen, _DARK_WRONG, _LIGHT_WRONG)
    return np.asarray(np.where(seen == right, as_right, as_wrong), np.uint8)


def _grey(image: Image) -> NDArray[np.uint8]:
    return np.repeat(to_uint8(image)[:, :, None], 3, 2)


def _panel(title: str, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    method = cv2.INTER_NEAREST if picture.shape[0] < 200 else cv2.INTER_AREA
    drawn = np.full((_HEAD_PX + _PANEL_PX + _GAP_PX, _PANEL_PX, 3), 255, np.uint8)
    drawn[_HEAD_PX : _HEAD_PX + _PANEL_PX] = cv2.resize(picture, (_PANEL_PX, _PANEL_PX), interpolation=method)
    cv2.putText(drawn, title, (2, 23), cv2.FONT_HERSHEY_SIMPLEX, 0.55, (60, 60, 60), 1, cv2.LINE_AA)
    return drawn
