"""The bytes of a journal, and following it while it grows."""

import os
from pathlib import Path

from sipproxy.stores.journal import Journal
from sipproxy.stores.segments import (
    FRAME_SIZE,
    HEADER_SIZE,
    MAX_PAYLOAD,
    Extent,
    SegmentReader,
    is_header,
    list_segments,
    make_frame,
    make_header,
    parse_frames,
    segment_name,
)


def framed(*payloads: bytes, first: int = 1) -> bytes:
    """Give the bytes of records."""
    return b"".join(make_frame(p, n) + p for n, p in enumerate(payloads, first))


class HeaderTests:
    def test_a_header_belongs_to_its_segment(self) -> None:
        """A renamed, cut or empty file is no segment."""
        header = make_header(7)
        assert len(header) == HEADER_SIZE
        assert is_header(header + b"more", 7)
        assert not is_header(header, 8)
        assert not is_header(header[:-1], 7)
        assert not is_header(bytes(HEADER_SIZE), 7)

    def test_segments_are_found_by_name(self, tmp_path: Path) -> None:
        """In the order of their records; other files are none of ours."""
        names = (segment_name(300), segment_name(20), "lock", segment_name(5) + ".damaged")
        for name in names:
            (tmp_path / name).touch()
        assert list_segments(str(tmp_path)) == [20, 300]


class ParseTests:
    def test_records_come_back(self) -> None:
        """In order, up to the limit."""
        data = framed(b"one", b"two", b"three")
        assert parse_frames(data, 1) == ([b"one", b"two", b"three"], len(data), FRAME_SIZE)
        assert parse_frames(data, 1, 2).payloads == [b"one", b"two"]

    def test_a_cut_record_is_not_there_yet(self) -> None:
        """At every cut: whole records before it, and that the next one needs more bytes."""
        data = framed(b"one", b"four")
        second = FRAME_SIZE + 3
        for end in range(len(data)):
            frames = parse_frames(data[:end], 1)
            assert frames.payloads == ([b"one"] if end >= second else [])
            assert frames.consumed == (second if end >= second else 0)
            assert frames.needed > end - frames.consumed

    def test_a_damaged_record_between_sound_ones_is_left_out(self) -> None:
        """One flipped bit costs one record."""
        data = bytearray(framed(b"one", b"two", b"three"))
        data[FRAME_SIZE * 2 + 3] ^= 1
        assert parse_frames(bytes(data), 1).payloads == [b"one", None, b"three"]

    def test_damage_at_the_end_is_the_end(self) -> None:
        """Zeros from a power cut, an absurd length, a wrong sum with nothing sound behind it."""
        good = framed(b"one")
        flipped = bytearray(framed(b"two", first=2))
        flipped[-1] ^= 1
        absurd = (MAX_PAYLOAD + 1).to_bytes(4, "big") + bytes(100)
        for rest in (bytes(100), bytes(flipped), absurd):
            assert parse_frames(good + rest, 1) == ([b"one"], len(good), 0)

    def test_a_record_in_the_wrong_place_is_damage(self) -> None:
        """The check sum knows the number: what was written as record 5 is not record 2."""
        data = framed(b"one") + framed(b"five", first=5)
        assert parse_frames(data, 1).payloads == [b"one"]


class ReaderTests:
    def open(self, path: Path, segment_size: int = 200) -> Journal:
        journal = Journal(str(path), segment_size=segment_size)
        journal.recover(0, lambda payload: None)
        return journal

    def write(self, journal: Journal, *payloads: bytes) -> None:
        for payload in payloads:
            journal.append(payload)
        journal.flush()

    def test_it_reads_on_over_segments(self, tmp_path: Path) -> None:
        """As the journal grows, nothing twice and nothing left out."""
        journal = self.open(tmp_path)
        reader = SegmentReader(journal.directory, journal.extent, 0)
        assert reader.read(10) == []
        read = []
        for number in range(1, 101):
            self.write(journal, b"record %03d" % number)
            if number % 7 == 0:
                while found := reader.read(5):
                    read += found
        assert len(list_segments(journal.directory)) > 5
        while found := reader.read(5):
            read += found
        assert read == [(number, b"record %03d" % number) for number in range(1, 101)]
        assert (reader.number, reader.damaged) == (100, False)
        reader.close()
        journal.close()

    def test_it_starts_behind_any_record(self, tmp_path: Path) -> None:
        """From the middle of any segment."""
        journal = self.open(tmp_path)
        self.write(journal, *[b"record %03d" % number for number in range(1, 31)])
        self.write(journal, *[b"record %03d" % number for number in range(31, 41)])
        for after in range(41):
            reader = SegmentReader(journal.directory, journal.extent, after)
            numbers = []
            while found := reader.read(4, chunk=30):
                numbers += [number for number, _ in found]
            assert numbers == list(range(after + 1, 41))
            assert not reader.damaged
            reader.close()
        journal.close()

    def test_it_does_not_see_what_is_not_flushed(self, tmp_path: Path) -> None:
        """Bytes beyond the extent may be cut off again: a failed write is not read."""
        journal = self.open(tmp_path)
        self.write(journal, b"one")
        with open(tmp_path / segment_name(1), "ab") as file:
            file.write(framed(b"two", first=2))
        reader = SegmentReader(journal.directory, journal.extent, 0)
        assert reader.read(10) == [(1, b"one")]
        assert reader.read(10) == []
        reader.close()
        journal.close()

    def test_a_segment_left_while_it_was_read_is_read_to_its_end(self, tmp_path: Path) -> None:
        """The writer adds a record and rotates just as the reader finds nothing new."""
        journal = self.open(tmp_path)
        self.write(journal, b"one")
        more = [b"x" * 200, b"three"]

        def extent() -> Extent:
            known = journal.extent()
            if reader.number == 1 and more:
                self.write(journal, more.pop(0))
            return known

        reader = SegmentReader(journal.directory, extent, 0)
        numbers = []
        for _ in range(6):
            numbers += [number for number, _ in reader.read(10)]
        assert numbers == [1, 2, 3]
        assert (list_segments(journal.directory), reader.damaged) == ([1, 3], False)
        reader.close()
        journal.close()

    def test_a_long_record_is_read_whole(self, tmp_path: Path) -> None:
        """Though it is longer than a read."""
        journal = self.open(tmp_path, segment_size=1 << 20)
        self.write(journal, b"short", b"x" * 5000, b"y" * 70)
        reader = SegmentReader(journal.directory, journal.extent, 0)
        found = reader.read(10, chunk=64) + reader.read(10, chunk=64) + reader.read(10, chunk=64)
        assert [len(payload) for _, payload in found] == [5, 5000, 70]
        reader.close()
        journal.close()

    def test_damage_is_noticed(self, tmp_path: Path) -> None:
        """A flipped bit, a segment that broke off, a segment that is gone: `damaged` says it."""
        for number, harm in enumerate((self.flip, self.cut, self.delete)):
            path = tmp_path / str(number)
            journal = self.open(path)
            for record in range(60):
                self.write(journal, b"record %03d" % record)
            harm(path / segment_name(list_segments(journal.directory)[1]))
            reader = SegmentReader(journal.directory, journal.extent, 0)
            numbers = []
            while found := reader.read(100):
                numbers += [number for number, _ in found]
            assert 40 < len(numbers) < 60
            assert numbers[-1] == 60
            assert reader.damaged
            reader.close()
            journal.close()

    def flip(self, path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[60] ^= 1
        path.write_bytes(data)

    def cut(self, path: Path) -> None:
        os.truncate(path, 100)

    def delete(self, path: Path) -> None:
        path.unlink()
