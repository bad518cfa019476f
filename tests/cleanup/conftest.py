"""A small repository with real git and DVC: one stage, run four times, and what each time left in the cache."""

import os
import shutil
import time
from pathlib import Path

import pytest

from qrestore.cleanup.plan import DAY_S
from qrestore.pipeline import call, dvc
from qrestore.rehearsal import commit_all
from qrestore.tracking.store import client

STAGE = """stages:
  draw:
    cmd: mkdir -p data && cp source data/picture && echo " measured" | cat source - > report
    deps: [source]
    outs: [data]
    metrics:
    - report:
        cache: false
"""
OLD = 60


class Checkout:
    """A repository; `commits` by what the stage was run with."""

    def __init__(self, root: Path, commits: dict[str, str]) -> None:
        self.root, self.commits = root, commits

    @property
    def cache(self) -> Path:
        return self.root / ".dvc/cache"

    def run(self, source: str) -> None:
        (self.root / "source").write_text(source)
        dvc(self.root, "repro")

    def commit(self, source: str) -> None:
        self.run(source)
        commit_all(self.root, source)
        self.commits[source] = call(self.root, "git", "rev-parse", "HEAD").strip()

    def age(self, path: Path | None = None, days: float = OLD) -> None:
        """Make files as old as that; without a path all of the cache."""
        since = time.time() - days * DAY_S
        for each in [path or self.cache, *(path or self.cache).rglob("*")]:
            os.utime(each, (since, since))

    def holds(self, source: str) -> bool:
        """Whether the cache holds what the stage drew from something."""
        return any(path.is_file() and path.read_text() == source for path in self.cache.glob("files/md5/*/*"))


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    here = Checkout(tmp_path_factory.mktemp("drawn") / "here", {})
    here.root.mkdir()
    call(here.root, "git", "init", "--quiet", "--initial-branch", "main")
    dvc(here.root, "init", "--quiet")
    (here.root / ".gitignore").write_text("/data\n.work/\n.mlflow/\n")
    (here.root / "dvc.yaml").write_text(STAGE)
    here.commit("branch")
    call(here.root, "git", "checkout", "--quiet", "--detach")
    here.commit("registered")
    call(here.root, "git", "checkout", "--quiet", "--force", "main")
    here.run("nobody's")
    call(here.root, "git", "checkout", "--quiet", "--force", "main")
    dvc(here.root, "checkout", "--quiet")
    with pytest.MonkeyPatch.context() as ours:
        ours.delenv("MLFLOW_TRACKING_URI", raising=False)
        client(here.root)
    here.age()
    return here


@pytest.fixture
def checkout(drawn: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copytree(drawn.root, tmp_path / "here", symlinks=True)
    return Checkout(tmp_path / "here", dict(drawn.commits))
