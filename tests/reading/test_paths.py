import os
from pathlib import Path

import pytest

from qrestore.reading.paths import PathError, pictures_at
from tests.samples import encoded, symbol_picture

PNG = encoded(symbol_picture("hello"))


def test_a_file_is_itself_whatever_its_name(tmp_path):
    path = tmp_path / "scan.data"
    path.write_bytes(PNG)
    assert list(pictures_at(str(path))) == [path]


def test_a_folder_is_all_pictures_below_it_in_order(tmp_path):
    for name in ("b.PNG", "a.jpg", "notes.txt", "deep/er/c.webp", ".hidden.png"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(PNG)
    (tmp_path / "folder.png").mkdir()
    found = [path.relative_to(tmp_path).as_posix() for path in pictures_at(str(tmp_path))]
    assert found == [".hidden.png", "a.jpg", "b.PNG", "deep/er/c.webp"]


def test_a_folder_without_pictures_and_a_missing_path_are_told(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(PathError, match=r"holds no pictures \(.*\.png"):
        list(pictures_at(str(tmp_path)))
    with pytest.raises(PathError, match="absent: no such file or folder"):
        list(pictures_at(str(tmp_path / "absent")))


def names(found, below):
    return [path.relative_to(below).as_posix() for path in found]


@pytest.fixture
def scans(tmp_path):
    """Folder of pictures and links."""
    for name in ("a.png", "b.jpg", "2025/c.png", "2025/10/d.PNG", "notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(PNG)
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.png", ["a.png"]),
        ("?.[jp]*g", ["a.png", "b.jpg"]),
        ("**/*.png", ["2025/c.png", "a.png"]),
        ("**/[cd].*", ["2025/10/d.PNG", "2025/c.png"]),
        ("2*", ["2025/10/d.PNG", "2025/c.png"]),
        ("**", ["2025/10/d.PNG", "2025/c.png", "a.png", "b.jpg"]),
    ],
)
def test_a_pattern_that_no_shell_has_expanded(scans, pattern, expected, monkeypatch):
    assert names(pictures_at(str(scans / pattern)), scans) == expected
    monkeypatch.chdir(scans)
    assert [path.as_posix() for path in pictures_at(pattern)] == expected


def test_a_pattern_that_matches_nothing_is_told_and_a_file_of_such_a_name_is_read(scans):
    with pytest.raises(PathError, match=r"\*\.webp: matches no file; check the pattern"):
        list(pictures_at(str(scans / "*.webp")))
    with pytest.raises(PathError, match="Invalid pattern"):
        list(pictures_at(str(scans / "a**b")))
    odd = scans / "[1]*.png"
    odd.write_bytes(PNG)
    assert list(pictures_at(str(odd))) == [odd]


@pytest.mark.parametrize("pattern", ["", "**/*.png"])
def test_links_lead_to_files_and_folders_and_in_no_circles(scans, tmp_path_factory, pattern):
    other = tmp_path_factory.mktemp("other")
    (other / "e.png").write_bytes(PNG)
    for link, to in {
        "link.png": "a.png",
        "dangling.png": "absent",
        "self.png": "self.png",
        "up": ".",
        "2025/up": "..",
        "2025/again": "10",
        "other": other,
    }.items():
        (scans / link).symlink_to(to)
    found = names(pictures_at(str(scans / pattern)), scans)
    assert {"a.png", "link.png", "2025/c.png"} <= set(found)
    assert len(found) == len(set(found)) <= 8
    if not pattern:
        assert found == [
            "2025/10/d.PNG",
            "2025/c.png",
            "a.png",
            "b.jpg",
            "dangling.png",
            "link.png",
            "other/e.png",
            "self.png",
        ]
        assert names(pictures_at(str(scans / "up")), scans / "up") == found
    with pytest.raises(PathError, match=r"self\.png: cannot be opened \(Too many levels of symbolic links\)"):
        list(pictures_at(str(scans / "self.png")))


@pytest.fixture
def locked(scans, monkeypatch):
    """A sub-folder that may not be listed, also by root."""
    iterdir = Path.iterdir

    def refusing(self):
        if self.name == "2025":
            raise PermissionError(13, "Permission denied", str(self))
        return iterdir(self)

    monkeypatch.setattr(Path, "iterdir", refusing)
    return scans


def test_an_unreadable_folder_is_told_and_the_rest_is_read(locked):
    told = []
    assert names(pictures_at(str(locked), told), locked) == ["a.png", "b.jpg"]
    assert told == [f"{locked / '2025'}: cannot be opened (Permission denied); check path and permissions"]
    with pytest.raises(PathError, match="2025: cannot be opened"):
        list(pictures_at(str(locked)))
    assert list(pictures_at(str(locked / "2025"), told)) == []
    assert len(told) == 2


@pytest.mark.parametrize("path", ["x" * 300 + ".png", "x/" * 3000, "nul\0.png"])
def test_paths_that_no_file_can_have(path):
    with pytest.raises(PathError, match="cannot be opened"):
        list(pictures_at(path))


def test_deep_folders_and_names_that_are_no_text(tmp_path):
    at = tmp_path
    for _ in range(300):
        at = at / "deeper"
    at.mkdir(parents=True)
    name = at / os.fsdecode(b"caf\xe9.png")
    name.write_bytes(PNG)
    assert list(pictures_at(str(tmp_path))) == [name]
