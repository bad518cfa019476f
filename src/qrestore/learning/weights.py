"""Weights on disk: safetensors that say which network they belong to. Nothing here runs code from a file."""

import json
from collections.abc import Mapping
from pathlib import Path

import safetensors
import safetensors.torch
from torch import Tensor, nn

from qrestore.files import whole
from qrestore.learning.networks import build

_KEY = "network"


def save_weights(path: Path, state: Mapping[str, Tensor], network: Mapping[str, object]) -> None:
    """Write weights atomically, with `network` (architecture and sizes) in the header."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    with whole(path) as part:
        part.write_bytes(safetensors.torch.save(tensors, {_KEY: json.dumps(dict(network), sort_keys=True)}))


def read_network(path: Path) -> dict[str, object]:
    """Read the architecture and sizes that a weights file was made for.

    Raises
    ------
    ValueError
        A missing, truncated or foreign file.
    """
    try:
        with safetensors.safe_open(path, "pt") as file:
            network = json.loads((file.metadata() or {})[_KEY])
    except FileNotFoundError:
        raise ValueError(f"{path}: no such weights file; `git restore models` brings the shipped ones back") from None
    except (safetensors.SafetensorError, KeyError, json.JSONDecodeError) as error:
        raise ValueError(f"{path}: no weights file of qrestore ({error})") from None
    if not isinstance(network, dict):
        raise ValueError(f"{path}: no weights file of qrestore (network {network!r})")
    return network


def load_network(path: Path) -> nn.Module:
    """Build the network that a weights file describes and load it, in eval mode.

    Raises
    ------
    ValueError
        As `read_network`, or tensors that do not fit the architecture.
    """
    network = read_network(path)
    sizes = {key: value for key, value in network.items() if key != "architecture"}
    try:
        module = build(str(network.get("architecture")), **sizes)
        module.load_state_dict(safetensors.torch.load_file(path))
    except (RuntimeError, TypeError, ValueError, safetensors.SafetensorError) as error:
        raise ValueError(f"{path}: tensors do not fit {network} ({str(error).splitlines()[0]})") from None
    return module.eval()
