"""`.work`: checkpoints, remembered measurements and clones that were left; evidence that waits for a server stays."""

from pathlib import Path

from qrestore.cleanup.item import Findings, Item, newest, size
from qrestore.pipeline import PipelineError, call
from qrestore.tracking.evidence import UNPUBLISHED

WORK = Path(".work")
CLONES = WORK / "clones"

_LEFT = {
    ".work/checkpoints/*": "checkpoint of a training",
    ".work/routes/*": "checkpoint of a training",
    ".work/calibrate/*": "half of a calibration",
    ".work/evaluate/*": "half of an evaluation",
    ".work/routes-done/*": "trainings of a benchmark",
    ".work/false-reads/*": "pictures counted by a benchmark",
    ".work/fuzz/*": "files counted by a benchmark",
    ".work/logs/*": "what a run said",
    "data/scanned/inbox/.part-*": "half of a set of scans",
}
"""What is written while somebody works; nobody reads an old one."""


def leftovers(root: Path, before: float) -> Findings:
    """Find what was last written before a time (seconds since 1970) in a checkout and the clones of its flows."""
    goes: list[Item] = []
    stays: list[Item] = []
    for clone in clones(root):
        reason = _wanted(root, clone, before)
        name, why = f"clone {clone.name}", reason or "no flow has used it since"
        (stays if reason else goes).append(_item(root, clone, why, name))
    going = {path for item in goes for path in item.paths}
    for base in (root, *(clone for clone in clones(root) if clone not in going)):
        for pattern, what in _LEFT.items():
            for path in sorted(base.glob(pattern)):
                young = newest(path) >= before
                why = f"{what}, young" if young else f"{what}, old"
                (stays if young else goes).append(_item(root, path, why))
        if any((base / UNPUBLISHED).glob("*")):
            stays.append(_item(root, base / UNPUBLISHED, "evidence that waits for a server: `qrestore publish`"))
    if (root / WORK / "prefect").exists():
        stays.append(_item(root, root / WORK / "prefect", "Prefect's own; its server vacuums it"))
    return Findings(tuple(goes), tuple(stays))


def clones(root: Path) -> list[Path]:
    """Clones in which flows work."""
    return sorted(path for path in (root / CLONES).glob("*") if path.is_dir())


def _wanted(root: Path, clone: Path, before: float) -> str | None:
    """Why a clone stays; None where it goes."""
    lock = clone.with_suffix(".lock")  # written whenever a flow takes hold of the clone
    if max(newest(path) for path in (clone, lock) if path.exists()) >= before:
        return "a flow has used it"
    if any((clone / UNPUBLISHED).glob("*")):
        return "evidence in it waits for a server: `qrestore publish` there"
    if (clone / ".git").exists():
        try:
            call(root, "git", "cat-file", "-e", call(clone, "git", "rev-parse", "HEAD").strip())
        except PipelineError:
            return "its commit is not in this repository: fetch it from there"
        if call(clone, "git", "status", "--porcelain") or call(clone, "git", "for-each-ref", "refs/kept"):
            return "results in it are not committed: remove it by hand if nobody wants them"
    return None


def _item(root: Path, path: Path, why: str, what: str = "") -> Item:
    return Item(".work", what or str(path.relative_to(root)), why, size(path), (path,))
