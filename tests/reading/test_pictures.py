import pytest

from qrestore.reading.pictures import PathError, pictures_at
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
