"""Is everything here that `make run` needs? One finding a line, with what to do; optional things are notes."""

import importlib.metadata
import importlib.util
import os
import shutil
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement

from qrestore.config import ConfigError, check_sections
from qrestore.executor import chosen, workers
from qrestore.pipeline import PipelineError, call, without_secrets
from qrestore.symbol.decode import missing_readers

LEAST_FREE_GB = 3
"""Room for the data sets, DVC's cache of them and the registry of some runs."""

_PATIENCE_S = 3.0
_OPTIONAL = {
    "onnxruntime": "networks as ONNX; `pip install 'qrestore[onnx]'`",
    "chromium": "the browser test of the report; `make browser`",
}


@dataclass(frozen=True)
class Finding:
    """What was looked at, whether it is there, optional (`note`) or needed (`missing`), and what to do."""

    name: str
    state: Literal["well", "note", "missing"]
    told: str


def examine(root: Path) -> Iterator[Finding]:
    """Look at Python, libraries, readers, programs, the repository, servers, disk, executor and accelerator.

    Parameters
    ----------
    root : of the checkout.
    """
    yield Finding("python", "well", ".".join(map(str, sys.version_info[:3])))
    yield from _libraries()
    yield from _readers()
    yield from _programs(root)
    yield _params(root)
    yield _weights(root)
    yield _disk(root)
    yield _remote(root)
    yield _server("mlflow", "MLFLOW_TRACKING_URI", "/health", "figures go to .mlflow in this checkout")
    yield _server("prefect", "PREFECT_API_URL", "/health", "each run starts a server of its own")
    yield _executor()
    yield _accelerator()
    yield from _optional()


def _libraries() -> Iterator[Finding]:
    """Versions against `pyproject.toml`, whose limits keep out those that are known to clash."""
    try:
        needed = [Requirement(line) for line in importlib.metadata.requires("qrestore") or ()]
    except importlib.metadata.PackageNotFoundError:
        yield Finding("qrestore", "missing", "not installed; `make setup` installs it")
        return
    well = 0
    for each in needed:
        if each.marker is not None and not each.marker.evaluate({"extra": ""}):
            continue
        try:
            version = importlib.metadata.version(each.name)
        except importlib.metadata.PackageNotFoundError:
            yield Finding(each.name, "missing", "not installed; `make setup` installs it")
            continue
        if each.specifier.contains(version, prereleases=True):
            well += 1
        else:
            told = f"{version}: {each.specifier} is needed; `pip install -r requirements.lock` brings it"
            yield Finding(each.name, "missing", told)
    yield Finding("libraries", "well", f"{well} of the versions that are needed")


def _readers() -> Iterator[Finding]:
    """All three readers: figures of fewer are not comparable."""
    missing = missing_readers()
    yield from (Finding("reader", "missing", line) for line in missing)
    if not missing:
        yield Finding("readers", "well", "zxing-cpp, pyzbar (zbar) and OpenCV")


def _programs(root: Path) -> Iterator[Finding]:
    for name, command in (("git", ("git", "status", "--porcelain")), ("dvc", ("dvc", "--version"))):
        try:
            told = call(root, *command)
        except (OSError, PipelineError) as error:
            yield Finding(name, "missing", f"{error}; run from the root of a git checkout, after `make setup`")
            continue
        changed = len(told.splitlines())
        told = f"{changed} files changed" if name == "git" and changed else told.strip() or "nothing changed"
        yield Finding(name, "well", told)


def _params(root: Path) -> Finding:
    try:
        check_sections(root / "params.yaml")
    except ConfigError as error:
        return Finding("params.yaml", "missing", str(error))
    return Finding("params.yaml", "well", "every section is known")


def _weights(root: Path) -> Finding:
    found = sorted(path.stem for path in (root / "models").glob("*.safetensors"))
    if not found:
        return Finding("weights", "missing", "models/ holds none; `git restore models` brings the shipped ones back")
    return Finding("weights", "well", ", ".join(found))


def _disk(root: Path) -> Finding:
    free = shutil.disk_usage(root).free / 1e9
    if free < LEAST_FREE_GB:
        return Finding(
            "disk", "missing", f"{free:.1f} GB free, {LEAST_FREE_GB} are needed; `make gc` tells what can go"
        )
    return Finding("disk", "well", f"{free:.0f} GB free")


def _remote(root: Path) -> Finding:
    if told := os.environ.get("QRESTORE_REMOTE"):
        return Finding("dvc remote", "well", f"{without_secrets(told)}, of flows in clones (QRESTORE_REMOTE)")
    try:
        remotes = call(root, "dvc", "remote", "list").split()
    except (OSError, PipelineError) as error:
        return Finding("dvc remote", "note", str(error))
    if not remotes:
        return Finding("dvc remote", "note", "none: data stays on this machine; `dvc remote add -d NAME URL` shares it")
    return Finding("dvc remote", "well", remotes[0])


def _server(name: str, variable: str, health: str, otherwise: str) -> Finding:
    """A server of the user's own; without one there is a way that needs none."""
    address = os.environ.get(variable)
    if not address:
        return Finding(name, "note", f"{variable} is not set: {otherwise}")
    shown = without_secrets(address)
    if not address.startswith(("http://", "https://")):
        return Finding(name, "well", shown)
    try:
        with urllib.request.urlopen(address.rstrip("/") + health, timeout=_PATIENCE_S):  # noqa: S310 - http alone
            return Finding(name, "well", shown)
    except (OSError, HTTPException) as error:
        told = f"{shown} does not answer ({without_secrets(str(error))}); start it, or unset {variable}"
        return Finding(name, "missing" if name == "prefect" else "note", told)


def _executor() -> Finding:
    """Who works: processes here, or a cluster, which is asked whether it would do the same work."""
    try:
        who = chosen()
        if isinstance(who, str):
            with workers():
                return Finding("executor", "well", f"{who}, whose workers run this code")
    except (ValueError, RuntimeError) as error:
        return Finding("executor", "missing", str(error))
    return Finding("executor", "well", f"{who} {'process' if who == 1 else 'processes'} on this machine")


def _accelerator() -> Finding:
    if importlib.util.find_spec("torch") is None:
        return Finding("gpu", "missing", "torch is not installed; `make setup` installs it")
    import torch  # late: it takes a second

    if torch.cuda.is_available():
        return Finding("gpu", "well", torch.cuda.get_device_name())
    return Finding("gpu", "note", f"none: networks train on {os.cpu_count()} CPU cores")


def _optional() -> Iterator[Finding]:
    for name, use in _OPTIONAL.items():
        there = importlib.util.find_spec(name) is not None or shutil.which(name) is not None
        yield Finding(name, "well" if there else "note", "there" if there else f"not there: for {use}")
