"""Networks as ONNX: any batch, any height and width; run by onnxruntime where it is installed (extra `onnx`)."""

from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

OPSET = 18
_SIDES_PX = 72, 36  # of the example, which must differ, be multiples of every fold, and not become fixed


def exported(network: nn.Module, channels: int, target: Path | IO[bytes]) -> None:
    """Write a network in eval mode as ONNX.

    Parameters
    ----------
    channels : of its input.
    target : file to write.

    Raises
    ------
    ImportError
        `onnxscript` is not installed.
    """
    example = torch.rand(2, channels, *_SIDES_PX)  # a batch of one would be taken for a fixed one
    program = torch.onnx.export(
        network.eval(),
        (example,),
        dynamo=True,
        opset_version=OPSET,
        input_names=["captured"],
        output_names=["restored"],
        dynamic_shapes=({0: torch.export.Dim("batch"), 2: torch.export.Dim("height"), 3: torch.export.Dim("width")},),
        verbose=False,
    )
    assert program is not None
    if isinstance(target, Path):
        program.save(target)
    else:
        target.write(program.model_proto.SerializeToString())


def running(model: bytes | Path, threads: int = 0) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Load an ONNX model as a function of a batch, (batch, channels, height, width) float32.

    Parameters
    ----------
    threads : 0 takes all cores.

    Raises
    ------
    ImportError
        onnxruntime is not installed.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    source: Any = str(model) if isinstance(model, Path) else model
    session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    return lambda batch: np.asarray(session.run(None, {"captured": batch})[0], np.float32)
