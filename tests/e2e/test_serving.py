"""The champion behind MLflow's own server."""

import base64
import io
import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from qrestore.datasets.synthesis import encode_png
from qrestore.rehearsal import in_clone
from qrestore.symbol.geometry import module_matrix
from qrestore.symbol.render import render_at
from tests.e2e.conftest import Toy

pytestmark = pytest.mark.slow

Ask = Callable[[object], tuple[int, Any]]


@pytest.fixture(scope="module")
def ask(toy: Toy) -> Iterator[Ask]:
    promote = ["python", "-m", "qrestore", "promote", "qr-deblurrer", "1", "--by", "a test", "--why", "to serve it"]
    toy.run(*promote, "--override", "six steps of training")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["mlflow", "models", "serve", "-m", "models:/qr-deblurrer@champion", "--env-manager", "local"]
    env = {**in_clone(toy.root), "MLFLOW_TRACKING_URI": f"sqlite:///{toy.root}/.mlflow/mlflow.db", "PYTHONPATH": ""}
    with subprocess.Popen(
        [*command, "-h", "127.0.0.1", "-p", str(port)],
        cwd=toy.root,
        env=env,
        stderr=subprocess.DEVNULL,
        process_group=0,
    ) as server:

        def asked(body: object) -> tuple[int, Any]:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}/invocations", data, {"Content-Type": "application/json"}
            )
            try:
                with urllib.request.urlopen(request, timeout=120) as answer:
                    return answer.status, json.load(answer)
            except urllib.error.HTTPError as refused:
                return refused.code, json.load(refused)

        end = time.monotonic() + 120
        while time.monotonic() < end:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=5):
                    break
            except OSError:
                time.sleep(0.5)
        yield asked
        os.killpg(server.pid, 15)


def symbol() -> np.ndarray:
    return render_at(module_matrix("served", 1, "H"), 80, 2)


def encoded(picture: np.ndarray) -> str:
    return base64.b64encode(encode_png(np.rint(255 * picture).astype(np.uint8))).decode()


def test_files_and_tensors_any_batch_any_size(ask: Ask) -> None:
    wide, large = np.full((61, 94, 3), 0.5), np.kron(symbol(), np.ones((20, 20)))
    pictures = [encoded(symbol()), wide.tolist(), encoded(large)]
    status, answer = ask({"dataframe_records": [{"image": picture} for picture in pictures]})
    assert status == 200, answer
    first, second, third = answer["predictions"]
    assert Image.open(io.BytesIO(base64.b64decode(third["picture"]))).size == (1600, 1600)
    assert Image.open(io.BytesIO(base64.b64decode(first["picture"]))).size == (80, 80)
    assert np.array(second["picture"]).shape == (61, 94)
    for each in (first, second):
        assert each["milliseconds"] > 0
        assert each["scores"].keys() == {"sharpness_before", "sharpness", "certainty"}
        assert each["text"] is None or isinstance(each["text"], str)


def test_a_batch_of_tensors_as_inputs(ask: Ask) -> None:
    batch = np.stack([symbol()] * 3).tolist()
    status, answer = ask({"inputs": {"image": batch}, "params": {"symbol_version": 1}})
    assert status == 200, answer
    assert [np.array(each["picture"]).shape for each in answer["predictions"]] == [(80, 80)] * 3


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"dataframe_records": [{"image": "no base64!"}]}, "image 0: no base64 of a picture file"),
        ({"dataframe_records": [{"image": encoded(symbol())}, {"image": "AAAA"}]}, "image 1: "),
        ({"dataframe_records": [{"image": [[0.5, 7]]}]}, "image 0: image: values 0.5 to 7; expected 0 to 1"),
        ({"dataframe_records": [{"image": [[0.5] * 9] * 9}]}, "image 0: "),
        ({"dataframe_records": [{"image": 3}]}, "image 0: image: shape (); expected"),
        ({"dataframe_records": [{"picture": "AAAA"}]}, "missing inputs ['image']"),
        (b"nonsense", "valid JSON"),
    ],
)
def test_wrong_input_gets_a_clean_400(ask: Ask, body: object, message: str) -> None:
    status, answer = ask(body)
    assert status == 400
    assert message in answer["message"]
    assert "Traceback" not in json.dumps(answer)
