"""The fakes of the stores; test_journal.py and test_database.py hold them to the real ones."""

import errno
from pathlib import Path

import pytest

from sipproxy.stores.journal import JournalError
from sipproxy.testing.stores import FullDisk, make_binding, memory_registry


class FullDiskTests:
    def test_it_takes_a_part_and_then_refuses(self, tmp_path: Path) -> None:
        """Like a real disk that fills up in the middle of a write."""
        disk = FullDisk(3)
        with open(tmp_path / "file", "wb", buffering=0) as file:
            assert disk.write(file.fileno(), b"four") == 3
            with pytest.raises(OSError) as failure:
                disk.write(file.fileno(), b"r")
        assert failure.value.errno == errno.ENOSPC
        assert (tmp_path / "file").read_bytes() == b"fou"


class MemoryRegistryTests:
    def test_it_is_a_registry_with_a_journal_in_reach(self) -> None:
        """What is replaced can be looked up, what is flushed can be counted, failure can be had."""
        registry, journal = memory_registry(lambda: 0.0, max_bindings=5)
        registry.replace("alice", [make_binding(1), make_binding(2)])
        registry.flush()
        assert (registry.count, registry.max_bindings, journal.last) == (2, 5, 1)
        journal.fail_with = errno.EIO
        registry.remove("alice")
        with pytest.raises(JournalError):
            registry.flush()
        assert len(registry.lookup("alice")) == 2

    def test_bindings_differ_by_number(self) -> None:
        """So that a test can tell them apart, and set what matters to it."""
        assert make_binding(1) == make_binding(1)
        assert make_binding(1) != make_binding(2)
        assert make_binding(1, q=500, contact=b"sip:x").as_tuple()[:1] == (b"sip:x",)
