"""What is there is well, what is optional is a note, what is needed and not there is exit 1."""

import importlib.metadata
import json
import os
import shutil
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from qrestore import doctor
from qrestore.cli import main
from qrestore.doctor import examine

ROOT = Path(__file__).parents[1]


def states(root: Path = ROOT) -> dict[str, str]:
    return {each.name: each.state for each in examine(root)}


def told(name: str, root: Path = ROOT) -> str:
    return next(each.told for each in examine(root) if each.name == name)


def test_this_checkout_is_well(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    for variable in ("MLFLOW_TRACKING_URI", "PREFECT_API_URL"):
        monkeypatch.delenv(variable, raising=False)
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("well     libraries") for line in lines)
    assert lines[-1] == "`make run` has all that it needs"


def test_a_library_that_is_missing_or_clashes_is_named(monkeypatch):
    real = importlib.metadata.version

    def version(name: str) -> str:
        if name == "segno":
            raise importlib.metadata.PackageNotFoundError(name)
        return "99.0" if name == "fastapi" else real(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    found = states()
    assert (found["segno"], found["fastapi"]) == ("missing", "missing")
    assert told("fastapi").startswith("99.0: ")
    assert "requirements.lock" in told("fastapi")


def test_a_folder_that_is_no_checkout(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["doctor", "--json"]) == 1
    found = {each["name"]: each for each in json.loads(capsys.readouterr().out)}
    assert {name for name, each in found.items() if each["state"] == "missing"} >= {"git", "params.yaml", "weights"}


def test_a_full_disk(monkeypatch):
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, int(1e9)))
    assert states()["disk"] == "missing"
    assert "1.0 GB free" in told("disk")


class Healthy(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def server():
    with HTTPServer(("127.0.0.1", 0), Healthy) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


def test_servers_are_asked(monkeypatch, server):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    assert states()["mlflow"] == "well"
    # A registry that is away costs nothing: the evidence waits. Without its scheduler no run starts.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    found = states()
    assert (found["mlflow"], found["prefect"]) == ("note", "missing")
    assert "start it, or unset PREFECT_API_URL" in told("prefect")


@pytest.mark.slow
def test_who_works_is_told(monkeypatch):
    monkeypatch.delenv("QRESTORE_EXECUTOR", raising=False)
    assert told("executor") == f"{os.cpu_count()} processes on this machine"
    monkeypatch.setenv("QRESTORE_EXECUTOR", "1")
    assert told("executor") == "1 process on this machine"
    for wrong, why in (("many", "expected a number"), ("tcp://127.0.0.1:9", "no Dask scheduler answers")):
        monkeypatch.setenv("QRESTORE_EXECUTOR", wrong)
        assert states()["executor"] == "missing"
        assert why in told("executor")


def test_a_remote_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "call", lambda _, *command: "ours /some/where" if "remote" in command else "")
    assert states(tmp_path)["dvc remote"] == "well"
    assert told("dvc remote", tmp_path) == "ours"
    monkeypatch.setenv("QRESTORE_REMOTE", "webdavs://bot:SECRET@there/data")
    assert told("dvc remote", tmp_path).startswith("webdavs://there/data, of flows")
