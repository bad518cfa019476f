"""Seconds a picture of the shipped networks on one thread: plain, channels_last, bf16, onnxruntime, by batch.

python -m benchmarks.inference [--repeats 5]
"""

import argparse
import io
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.readme import put
from qrestore.files import read_json, write_json
from qrestore.learning.export import exported, running
from qrestore.learning.networks import channels_last
from qrestore.learning.weights import load_network
from qrestore.timing import processor

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "benchmarks/inference.json"
PAGE = ROOT / "docs/networks.md"
BATCHES = (1, 8)
SHAPES = {"dots-2px-direct": (6, 333, 333), "qr-deblurrer": (3, 80, 80)}


def ways(network: nn.Module, shape: tuple[int, ...]) -> dict[str, Callable[[Tensor], Any]]:
    """Ways to run a network, by name; onnxruntime only where it is installed."""
    lean = channels_last(network)

    def in_bf16(batch: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            out: Tensor = lean(batch.contiguous(memory_format=torch.channels_last))
        return out

    found: dict[str, Callable[[Tensor], Any]] = {
        "torch": network,
        "channels_last": lambda batch: lean(batch.contiguous(memory_format=torch.channels_last)),
        "channels_last, bf16": in_bf16,
    }
    try:
        buffer = io.BytesIO()
        exported(network, shape[0], buffer)
        session = running(buffer.getvalue(), threads=1)
    except ImportError:
        return found
    return found | {"onnxruntime": lambda batch: session(batch.numpy())}


def measure(repeats: int) -> dict[str, Any]:
    """CPU seconds a picture, the best of some runs."""
    torch.set_num_threads(1)
    rows = []
    for model, shape in SHAPES.items():
        network = load_network(ROOT / f"models/{model}.safetensors")
        for name, run in ways(network, shape).items():
            for batch in BATCHES:
                pictures, times = torch.rand(batch, *shape), []
                with torch.inference_mode():
                    for _ in range(repeats + 1):
                        start = time.process_time()
                        run(pictures)
                        times.append(time.process_time() - start)
                rows.append({"model": model, "way": name, "batch": batch, "seconds": round(min(times[1:]) / batch, 5)})
    return {"machine": f"{processor()}, {os.cpu_count()} cores", "torch": torch.__version__, "rows": rows}


def table(result: dict[str, Any]) -> str:
    """CPU milliseconds a picture."""
    lines = [f"| network, one thread | {' | '.join(f'batch {batch}' for batch in BATCHES)} |", "|---" * 3 + "|"]
    seconds = {(row["model"], row["way"], row["batch"]): row["seconds"] for row in result["rows"]}
    for model, way in dict.fromkeys((row["model"], row["way"]) for row in result["rows"]):
        cells = [f"{1000 * seconds[model, way, batch]:.1f} ms" for batch in BATCHES]
        lines.append(f"| {model}, {way} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", f"On {result['machine']}, torch {result['torch']}."])


def main() -> int:
    """Measure, write `inference.json` and the table of docs/networks.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    write_json(RESULT, measure(parser.parse_args().repeats))
    put("inference", table(read_json(RESULT)), PAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
