"""Weights on disk: safetensors that say which network they belong to. Nothing here runs code from a file."""

import json
from collections.abc import Mapping
from pathlib import Path

import safetensors
import safetensors.torch
from torch import Tensor, nn

from qrestore.files import whole
from qrestore.learning.networks import build

_KEY = "facts"


def save_weights(
    path: Path, state: Mapping[str, Tensor], network: Mapping[str, object], facts: Mapping[str, object] | None = None
) -> None:
    """Write weights atomically, with `network` (architecture and sizes) and further `facts` in the header."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    # One key: safetensors writes several in an order that changes from one time to the next.
    header = {_KEY: json.dumps({"network": network, **(facts or {})}, sort_keys=True)}
    with whole(path) as part:
        part.write_bytes(safetensors.torch.save(tensors, header))


def read_facts(path: Path) -> dict[str, object]:
    """Read what stands in the header of a weights file.

    Raises
    ------
    ValueError
        A missing, truncated or foreign file.
    """
    try:
        with safetensors.safe_open(path, "pt") as file:
            facts = json.loads((file.metadata() or {}).get(_KEY, "null"))
    except FileNotFoundError:
        raise ValueError(f"{path}: no such weights file; `git restore models` brings the shipped ones back") from None
    except (safetensors.SafetensorError, json.JSONDecodeError) as error:
        raise ValueError(f"{path}: no weights file of qrestore ({error})") from None
    if not isinstance(facts, dict):
        raise ValueError(f"{path}: no weights file of qrestore (header {facts!r})")
    return facts


def read_network(path: Path) -> dict[str, object]:
    """Read the architecture and sizes that a weights file was made for; raises as `read_facts`."""
    network = read_facts(path).get("network")
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
    try:
        module = build(network)
        module.load_state_dict(safetensors.torch.load_file(path))
    except (RuntimeError, ValueError, safetensors.SafetensorError) as error:
        raise ValueError(f"{path}: tensors do not fit {network} ({str(error).splitlines()[0]})") from None
    return module.eval()
