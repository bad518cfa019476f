"""The registered models as MLflow serves them: from this code and their own files, no pickle.

MLflow runs this file when it loads a version; `tracking` logs it with the name of the model. Pictures come
as base64 of a PNG or JPEG file, or as tensors (height, width) or (height, width, 3) in [0, 1], of any
size, in the column `image`; a wrong one is refused by its number, over HTTP with status 400.
"""

import base64
import binascii
import json
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import mlflow
import numpy as np
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE

from qrestore.arrays import Image, check_image, from_uint8, to_uint8

PARAMETERS: dict[str, str | int] = {"symbol_version": 0, "level": "H", "key": ""}
"""`symbol_version`, `level` where they are known (0: not), `key` of a label, hexadecimal."""

_LARGEST_PX = 160
"""Side of what the QR deblurrer is shown: it knows blur of up to 20 px, and memory grows with its square."""

_USUAL_VERSION = 3
"""Whose thresholds stop the blind deblurrer where the version is not known."""

Answer = Callable[[Image, dict[str, Any]], dict[str, Any]]
"""(image, parameters) -> `picture` in [0, 1], `text` or None, `scores`, and what else a model has to say."""


def qr_deblurrer(models: Path, restorer: str) -> Answer:
    """Restore an upright symbol that fills its picture ([cgan])."""
    del restorer
    from qrestore.evaluation.benchmark import texts_in
    from qrestore.evaluation.restorers import DEBLURRER
    from qrestore.learning.model import load_deblurrer
    from qrestore.restoration.sharpness import tenengrad

    restore = load_deblurrer(models / f"{DEBLURRER}.safetensors")

    def answer(image: Image, given: dict[str, Any]) -> dict[str, Any]:
        before = image if image.ndim == 2 else image.mean(2)
        height, width = before.shape
        shrunk = min(1.0, _LARGEST_PX / max(before.shape))
        size = (max(1, round(shrunk * width)), max(1, round(shrunk * height)))
        small = before if shrunk == 1 else cv2.resize(before, size, interpolation=cv2.INTER_AREA).clip(0, 1)
        restored = restore(small, given["symbol_version"] or None)
        scores = {"sharpness_before": tenengrad(small), "sharpness": tenengrad(restored)}
        # The network draws the probability of paper.
        scores["certainty"] = float(np.abs(2 * restored - 1).mean())
        picture = restored if shrunk == 1 else cv2.resize(restored, (width, height), interpolation=cv2.INTER_LINEAR)
        return {"picture": picture, "text": next(iter(texts_in(restored)), None), "scores": scores}

    return answer


def blind_deblurrer(models: Path, restorer: str) -> Answer:
    """Deblur under the calibrated thresholds ([fast-deblur]); the picture comes back 300 x 300."""
    from qrestore.datasets.row import Row
    from qrestore.evaluation.blind_restorers import blind_restorer
    from qrestore.reading.deblur import squared
    from qrestore.restoration.sharpness import tenengrad

    restore = blind_restorer(restorer, models)

    def answer(image: Image, given: dict[str, Any]) -> dict[str, Any]:
        picture = squared(to_uint8(image if image.ndim == 2 else image.mean(2)))
        version = given["symbol_version"] or _USUAL_VERSION
        known = Row(data="defocus", split="test", item=0, subset="", text="", symbol_version=version)
        found = restore(picture, replace(known, level=given["level"]))
        scores = {"sharpness_before": tenengrad(picture), "sharpness": found.sharpness, "scales": len(found.scales)}
        return {"picture": found.image, "text": found.text, "scores": scores, "route": found.route}

    return answer


def dots_reader(models: Path, restorer: str) -> Answer:
    """Read the dots of a label ([dots]); `picture` shows them, a pixel a site, dark = dot."""
    from qrestore.reading.labels import read_dots

    dot_side_px: Any = 2 if (models / "dots-2px-direct.safetensors").exists() else 1

    def answer(image: Image, given: dict[str, Any]) -> dict[str, Any]:
        # Without a key the dots are seen, but say nothing.
        key = bytes.fromhex(given["key"]) if given["key"] else bytes(32)
        found = read_dots(image, key, models, restorer, (dot_side_px,))  # type: ignore[arg-type]
        return {
            "picture": 1.0 - found.bits,
            "text": found.text,
            "scores": {"confidence": float(found.confidence.mean())},
            "message": None if found.message is None else base64.b64encode(found.message).decode(),
            "serial": found.serial,
        }

    return answer


ANSWERS: dict[str, Callable[[Path, str], Answer]] = {
    "qr-deblurrer": qr_deblurrer,
    "blind-deblurrer": blind_deblurrer,
    "dots-reader-2px": dots_reader,
    "dots-reader-1px": dots_reader,
}


warnings.filterwarnings("ignore", message=".*type hint")  # MLflow's: our signature is the logged one


class Served(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined]
    """One of `ANSWERS`, as `served.json` beside its files says (`model`, `restorer`)."""

    def load_context(self, context: Any) -> None:
        """Load the files that stand beside this code."""
        models = Path(context.artifacts["models"])
        which = json.loads((models / "served.json").read_text())
        self.answer = ANSWERS[which["model"]](models, which["restorer"])

    # Without annotations: MLflow takes them for a schema of its own, and ours is the logged signature.
    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        """Answer for every picture.

        Returns
        -------
        A dict a picture: `picture` as it was given, base64 of a PNG file or nested lists; `text`, `scores`,
        `milliseconds`, and what else the model has to say.

        Raises
        ------
        MlflowException
            A picture that is none, or that the model refuses; INVALID_PARAMETER_VALUE, which is HTTP 400.
        """
        del context
        answers = []
        for number, given in enumerate(model_input["image"]):
            start = time.perf_counter()
            try:
                image, encoded = _opened(given)
                answer = self.answer(image, {**PARAMETERS, **(params or {})})
            except Exception as error:  # whatever a picture does to a model, the caller is told in one line
                raise MlflowException(f"image {number}: {error}", INVALID_PARAMETER_VALUE) from None
            picture = np.clip(answer["picture"], 0, 1)
            answer["picture"] = _base64(picture) if encoded else np.asarray(picture, np.float64).tolist()
            answers.append({**answer, "milliseconds": round(1000 * (time.perf_counter() - start), 3)})
        return answers


def _opened(given: Any) -> tuple[Image, bool]:
    """An image, and whether it came as a file."""
    from qrestore.pictures import open_colour

    while isinstance(given, list | np.ndarray) and len(given) == 1 and isinstance(given[0], str):
        given = given[0]  # a column of one string comes as a list
    if isinstance(given, str):
        try:
            file = base64.b64decode(given, validate=True)
        except binascii.Error:
            raise ValueError("no base64 of a picture file") from None
        return from_uint8(open_colour(file)), True
    image = np.asarray(given, np.float64)
    check_image(image)
    return image, False


def _base64(picture: Image) -> str:
    from qrestore.datasets.synthesis import encode_png

    return base64.b64encode(encode_png(to_uint8(picture))).decode()


mlflow.models.set_model(Served())
