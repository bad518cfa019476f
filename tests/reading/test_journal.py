import json
import os

import pytest

from qrestore.reading.job import Job, Source
from qrestore.reading.journal import Journal


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"a picture")
    return Source("a.png", path)


def found(text):
    return {"path": "a.png", "text": text, "milliseconds": {"as it is": 1}, "files": []}


def test_what_was_kept_is_found_again_and_outlives_a_torn_line(tmp_path, source):
    path = tmp_path / "out/journal"
    Journal(path, "asked").add(source, found("a"))
    with path.open("ab") as file:
        file.write(b'{"key": 3}\nanother line\n{"key": "torn')
    journal = Journal(path, "asked")
    assert journal.find(source) == found("a")
    other = Source("-", b"bytes")
    journal.add(other, found("b"))
    assert [Journal(path, "asked").find(each)["text"] for each in (source, other)] == ["a", "b"]
    journal.export(tmp_path / "results.jsonl", [other, Source("c.png", tmp_path / "c.png"), source])
    assert [json.loads(line)["text"] for line in (tmp_path / "results.jsonl").open()] == ["b", "a"]


def test_a_changed_picture_or_question_and_a_lost_drawing_are_worked_on_again(tmp_path, source):
    path = tmp_path / "journal"
    drawing = tmp_path / "drawing.png"
    drawing.touch()
    source = source._replace(sheet=drawing)
    journal = Journal(path, "asked")
    journal.add(source, {"milliseconds": {"as it is": 1}, "files": [str(drawing)]})
    assert journal.find(source)
    assert Journal(path, "asked otherwise").find(source) is None
    drawing.unlink()
    assert journal.find(source) is None
    drawing.touch()
    os.utime(source.file, ns=(1, 1))
    assert journal.find(source) is None


def test_a_drawing_that_another_picture_has_written_over_is_made_again(tmp_path, source):
    drawing = tmp_path / "drawing.png"
    mine = source._replace(sheet=drawing)
    journal = Journal(tmp_path / "journal", "asked")
    for one, content in ((mine, b"mine"), (Source("-", b"bytes", sheet=drawing), b"theirs")):
        drawing.write_bytes(content)
        journal.add(one, {"milliseconds": {"as it is": 1}, "files": [str(drawing)]})
    assert journal.find(mine) is None
    assert journal.find(Source("-", b"bytes", sheet=drawing))


def test_what_a_job_depends_on_is_json_without_its_key():
    asked = Job(key=b"0123456789abcdef", effort=3).asked()
    assert json.loads(json.dumps(asked))["effort"] == 3
    assert "0123456789abcdef" not in json.dumps(asked)
    assert asked != Job(key=b"0123456789abcdeg", effort=3).asked()


def test_a_message_is_read_again_with_other_weights(tmp_path):
    job = Job(key=b"0123456789abcdef", models=tmp_path)
    asked = [job.asked()]
    for content in (b"weights", b"others"):
        (tmp_path / "lmmse-2px.safetensors").write_bytes(content)
        asked.append(job.asked())
    assert asked[0] != asked[1] != asked[2]
    assert Job(models=tmp_path).asked()["models"] == {}
