"""The evidence of a run: finished files in a folder that looks like the repository, the repository itself or a copy.

A copy is kept where a server was away, so that what it was not told is told later.
"""

import hashlib
import io
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from PIL import Image, ImageOps

from qrestore.config import read_yaml
from qrestore.pipeline import dataset_digest, evidence_digest, git_commit
from qrestore.tracking.models import DATA

UNPUBLISHED = Path(".work/unpublished")
_KEPT = ("models", "data/reports", "src/qrestore", "params.yaml", "requirements.lock", "dvc.lock")
_FACTS, _EXAMPLES = "evidence.json", "examples"


@dataclass(frozen=True)
class Evidence:
    """Where the files are, and what they are evidence of."""

    root: Path
    git_commit: str
    evidence_digest: str
    dataset_digest: str
    params_digest: str

    @property
    def tags(self) -> dict[str, str]:
        """Facts as tags of runs and versions."""
        return {
            "git_commit": self.git_commit,
            "evidence_digest": self.evidence_digest,
            "dataset_digest": self.dataset_digest,
            "params_digest": self.params_digest,
        }

    def read(self, name: str) -> Any:
        """Read a JSON file.

        Raises
        ------
        FileNotFoundError
            The graph has not been run.
        """
        path = self.root / name
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise FileNotFoundError(f"{path}: not there yet; `dvc repro` makes it") from None

    def figures(self) -> dict[str, float]:
        """Headline figures and times, of those that were measured."""
        timing = self.read("models/metrics/timing.json")["seconds"]
        summary = self.read("models/metrics/summary.json")
        return {key: float(value) for key, value in {**summary, **timing}.items() if value is not None}

    def params(self) -> dict[str, Any]:
        """Every parameter by its dotted name."""
        return dict(_flat(read_yaml(self.root / "params.yaml")))


def evidence_of(root: Path) -> Evidence:
    """Evidence of a work tree, or of a copy that was kept."""
    facts = root / _FACTS
    if facts.exists():
        return Evidence(root, **json.loads(facts.read_text(encoding="utf-8")))
    params = hashlib.sha256(json.dumps(read_yaml(root / "params.yaml"), sort_keys=True).encode()).hexdigest()
    return Evidence(root, git_commit(root), evidence_digest(root), dataset_digest(root), params)


def keep(evidence: Evidence) -> Path:
    """Copy the evidence aside, for `qrestore publish` later; the same evidence again is a no-op."""
    target = evidence.root / UNPUBLISHED / evidence.evidence_digest
    if target.exists():
        return target
    part = target.with_name(f".{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    for name in _KEPT:
        source = evidence.root / name
        (part / name).parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, part / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copy2(source, part / name)
    for data in DATA:
        if file := example(evidence.root, data):
            (part / _EXAMPLES).mkdir(exist_ok=True)
            (part / _EXAMPLES / data).write_bytes(file)
    (part / _FACTS).write_text(json.dumps(evidence.tags), encoding="utf-8")
    part.rename(target)
    return target


def example(root: Path, data: str) -> bytes | None:
    """File of the first test picture of a data set, with a margin where it is cut to its symbol; None without data."""
    if (root / _EXAMPLES / data).exists():
        return (root / _EXAMPLES / data).read_bytes()
    index = root / f"data/synthetic/{data}/test.parquet"
    if not index.exists():
        return None
    with pq.ParquetFile(index) as table:
        capture: bytes = next(table.iter_batches(1, columns=["capture"]))["capture"][0].as_py()
    picture = Image.open(io.BytesIO(capture)).convert("RGB")
    if data == "dots":
        picture = ImageOps.expand(picture, picture.width // 10, "white")
    out = io.BytesIO()
    picture.save(out, "png")
    return out.getvalue()


def kept(root: Path) -> list[Evidence]:
    """What was not published yet, the oldest first."""
    folders = [path for path in (root / UNPUBLISHED).glob("*") if (path / _FACTS).exists()]
    return [evidence_of(path) for path in sorted(folders, key=lambda path: (path / _FACTS).stat().st_mtime)]


def _flat(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, value
