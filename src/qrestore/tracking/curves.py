"""Training curves while a stage trains: a run of its own that follows the growing `history.csv`.

The training knows nothing of it, and nothing that goes wrong here touches the training.
"""

import csv
import hashlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlflow.entities import Metric

from qrestore.tracking.store import RegistryError, asks_store, client, experiment

CHECKPOINTS = Path(".work/checkpoints")
_EVERY_S = 1.0
_ERROR = "validation_error"


@contextmanager
def followed(root: Path, model: str) -> Iterator[None]:
    """Log a model's training to the store while the body runs it; a body that trains nothing logs nothing.

    A training that goes on from a checkpoint goes on in its run.
    """
    curve, stop = _Curve(root, model), threading.Event()
    thread = threading.Thread(target=curve.follow, args=(stop,), daemon=True)
    thread.start()
    try:
        yield
    except BaseException:
        curve.failed = True
        raise
    finally:
        stop.set()
        thread.join(timeout=60)


class _Curve:
    """One run, and how far it is told."""

    def __init__(self, root: Path, model: str) -> None:
        self.root, self.model = root, model
        self.weights_history = root / f"models/metrics/{model}-history.csv"
        self.old = {path: _state(path) for path in (self.weights_history, *self._histories()) if path.exists()}
        self.run_id: str | None = None
        self.step, self.failed, self.told = -1.0, False, False

    def follow(self, stop: threading.Event) -> None:
        """Poll until told to stop, then tell the rest and close the run."""
        while not stop.wait(_EVERY_S):
            for path in self._histories():
                self._try(self._tell, path, path.parent.name)
        self._try(self._end)

    def _histories(self) -> Iterator[Path]:
        return (self.root / CHECKPOINTS).glob("*/history.csv")

    def _try(self, step: Callable[..., None], *given: Any) -> None:
        """Whatever fails is said once, and tried again at the next turn."""
        try:
            asks_store(step)(*given)
        except (RegistryError, OSError) as error:
            if not self.told:
                logging.getLogger(__name__).warning("curves of %s: %s", self.model, error)
            self.told = True

    def _tell(self, path: Path, checkpoint: str | None = None) -> None:
        try:
            if _state(path) == self.old.get(path):
                return
            with path.open(newline="") as file:
                lines = [line for line in csv.DictReader(file) if None not in line.values() and None not in line]
        except FileNotFoundError:  # done, and tidied away
            return
        if not lines or "step" not in lines[0]:  # a linear reader has no curve
            return
        store = client(self.root)
        self.run_id = self.run_id or self._run(checkpoint)
        metrics = [
            Metric(name, float(value), int(time.time() * 1000), int(line["step"]))
            for line in lines
            if float(line["step"]) > self.step
            for name, value in line.items()
            if name != "step" and value
        ]
        store.log_batch(self.run_id, metrics)
        self.step = float(lines[-1]["step"])

    def _run(self, checkpoint: str | None) -> str:
        """Run of a checkpoint's training that has not ended, or a new one."""
        store = client(self.root)
        tags = {"kind": "training", "model": self.model, "checkpoint": checkpoint or ""}
        where = " and ".join(f"tags.{name} = '{value}'" for name, value in tags.items())
        for run in store.search_runs([experiment(store)], where) if checkpoint else ():
            if run.info.status != "FINISHED":
                self.step = max((each.step for each in store.get_metric_history(run.info.run_id, _ERROR)), default=-1)
                store.update_run(run.info.run_id, "RUNNING")
                return str(run.info.run_id)
        return str(store.create_run(experiment(store), tags=tags, run_name=f"train {self.model}").info.run_id)

    def _end(self) -> None:
        weights = self.root / f"models/{self.model}.safetensors"
        if self.failed:  # the files are the shipped ones, brought back
            if self.run_id is not None:
                client(self.root).set_terminated(self.run_id, "FAILED")
            return
        self._tell(self.weights_history)
        if self.run_id is not None:
            store = client(self.root)
            store.set_tag(self.run_id, "weights_sha256", hashlib.sha256(weights.read_bytes()).hexdigest())
            store.set_terminated(self.run_id, "FINISHED")


def _state(path: Path) -> tuple[int, int]:
    """By which a file that nobody wrote since is known; clocks of files and of programs differ by milliseconds."""
    facts = path.stat()
    return facts.st_mtime_ns, facts.st_size
