"""The two readers give the loader the same view."""

from pathlib import Path

import pytest

from sipproxy.config import reader
from sipproxy.config.reader import read_from_disk, read_from_table
from sipproxy.config.walk import Reader

FILES = {"b.conf": "B", "a.conf": "A\n", ".hidden": "H", "a.conf~": "old", "c.txt": "ü"}


@pytest.fixture(params=["disk", "table"])
def folder_and_reader(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Reader]:
    """The same files, on disk and in a table."""
    folder = str(tmp_path)
    if request.param == "table":
        return folder, read_from_table({f"{folder}/{name}": text for name, text in FILES.items()})
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return folder, read_from_disk


class ReaderTests:
    """What both readers do."""

    def test_file(self, folder_and_reader: tuple[str, Reader]) -> None:
        """A file gives its text."""
        folder, read = folder_and_reader
        assert read(f"{folder}/c.txt") == "ü"

    def test_folder(self, folder_and_reader: tuple[str, Reader]) -> None:
        """A folder gives its files in order of name, without hidden files and backups."""
        folder, read = folder_and_reader
        assert read(folder) == [f"{folder}/{name}" for name in ("a.conf", "b.conf", "c.txt")]

    def test_pattern(self, folder_and_reader: tuple[str, Reader]) -> None:
        """A pattern gives what it matches, which may be nothing."""
        folder, read = folder_and_reader
        assert read(f"{folder}/*.conf") == [f"{folder}/a.conf", f"{folder}/b.conf"]
        assert read(f"{folder}/*.none") == []

    def test_missing(self, folder_and_reader: tuple[str, Reader]) -> None:
        """A name that is not there is an OSError, as for open()."""
        folder, read = folder_and_reader
        with pytest.raises(FileNotFoundError):
            read(f"{folder}/none")


class DiskTests:
    """What only a disk can do wrong."""

    def test_not_utf8(self, tmp_path: Path) -> None:
        """Text in another encoding is refused instead of guessed."""
        (tmp_path / "latin").write_bytes(b"caf\xe9")
        with pytest.raises(UnicodeDecodeError):
            read_from_disk(str(tmp_path / "latin"))

    def test_too_large(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A file that can be no configuration is not read to its end."""
        monkeypatch.setattr(reader, "MAX_FILE", 10)
        (tmp_path / "large").write_text("x" * 11)
        with pytest.raises(ValueError, match="larger than 10 characters"):
            read_from_disk(str(tmp_path / "large"))

    def test_name_with_a_bracket(self, tmp_path: Path) -> None:
        """A file that is there is that file, even when its name looks like a pattern."""
        (tmp_path / "a[1].conf").write_text("X")
        assert read_from_disk(str(tmp_path / "a[1].conf")) == "X"
