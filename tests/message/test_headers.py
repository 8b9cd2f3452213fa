"""A list of header lines: looked up by name, edited without touching what is not meant."""

import pytest

from sipproxy.message.headers import Headers


def headers(*lines: bytes) -> Headers:
    """Lines and, before each colon, their names."""
    return Headers([line.partition(b":")[0].lower() for line in lines], list(lines))


def routes() -> Headers:
    """Three lines, two of them with routes."""
    return headers(b"Route: <sip:a;lr>,\r\n <sip:b,c;lr>", b"Subject: a, b", b"route:<sip:d>")


class LookingTests:
    """What is there."""

    def test_value(self) -> None:
        """The first line of a name, on one line, without the blanks around it."""
        found = headers(b"Subject:  one\r\n  two ", b"Subject: three")
        assert found.value(b"subject") == b"one two"
        assert found.value(b"to") is None

    def test_values(self) -> None:
        """A list in all its lines, or the lines as they are."""
        assert routes().values(b"route") == [b"<sip:a;lr>", b"<sip:b,c;lr>", b"<sip:d>"]
        assert routes().raw_values(b"route") == [b"<sip:a;lr>, <sip:b,c;lr>", b"<sip:d>"]
        assert routes().raw_values(b"subject") == [b"a, b"]
        assert routes().values(b"via") == routes().raw_values(b"via") == []

    def test_has_and_count(self) -> None:
        """Lines are counted, not values."""
        assert routes().has(b"route") and not routes().has(b"via")
        assert (routes().count(b"route"), routes().count(b"via")) == (2, 0)


class EditingTests:
    """What is changed."""

    def test_add(self) -> None:
        """A new line comes last, under its usual spelling."""
        found = routes()
        found.add(b"cseq", b"1 BYE")
        found.add(b"x-own", b"")
        assert found.lines[3:] == [b"CSeq: 1 BYE", b"X-Own: "]
        assert found.names[3:] == [b"cseq", b"x-own"]

    def test_prepend(self) -> None:
        """A new line comes before the first of its name, or before all."""
        found = routes()
        found.prepend(b"subject", b"x")
        found.prepend(b"via", b"y")
        assert found.names == [b"via", b"route", b"subject", b"subject", b"route"]
        assert found.lines[0] == b"Via: y" and found.lines[2] == b"Subject: x"

    def test_set(self) -> None:
        """It takes the place of the first and is the only one afterwards."""
        found = routes()
        found.set(b"route", b"<sip:x>")
        assert found.lines == [b"Route: <sip:x>", b"Subject: a, b"]
        assert found.names == [b"route", b"subject"]
        found.set(b"max-forwards", b"9")
        assert found.lines[2:] == [b"Max-Forwards: 9"]

    def test_remove(self) -> None:
        """All lines of the name go, and only they."""
        found = routes()
        assert found.remove(b"route") == 2
        assert found.lines == [b"Subject: a, b"] and found.names == [b"subject"]
        assert found.remove(b"route") == 0
        assert found.remove(b"subject") == 1 and found.names == []

    def test_pop_first(self) -> None:
        """Values come off one by one; what is left of a line stays as it was."""
        found = routes()
        assert found.pop_first(b"route") == b"<sip:a;lr>"
        assert found.lines[0] == b"Route: <sip:b,c;lr>"
        assert found.pop_first(b"route") == b"<sip:b,c;lr>"
        assert found.lines == [b"Subject: a, b", b"route:<sip:d>"]
        assert found.pop_first(b"route") == b"<sip:d>"
        assert found.pop_first(b"route") is None
        assert found.names == [b"subject"]

    @pytest.mark.parametrize(
        ("line", "first", "rest"),
        [
            (b"Via: a;x=1\r\n 2, b;\r\n c", b"a;x=1 2", [b"Via: b;\r\n c"]),
            (b"Via: , ,a,, b,", b"a", [b"Via: b,"]),
            (b"Via: a,\r\n ,", b"a", []),
            (b'Via: a;n="1,2"', b'a;n="1,2"', []),
            (b'Via: a;n="1,2" ,b', b'a;n="1,2"', [b"Via: b"]),
            (b"Via:", b"", []),
            (b"Via: ,", b"", []),
        ],
    )
    def test_pop_first_of_odd_lists(self, line: bytes, first: bytes, rest: list[bytes]) -> None:
        """Folds, quotes and stray commas."""
        found = headers(line)
        assert found.pop_first(b"via") == first
        assert found.lines == rest and len(found.names) == len(rest)

    @pytest.mark.parametrize("value", [b"a\r\nb", b"a\nb", b"a\r", b"\r\n b"])
    def test_no_line_ends(self, value: bytes) -> None:
        """No value can smuggle another header in; the header stays as it was."""
        for verb in ("add", "prepend", "set"):
            for name in (b"route", b"via"):
                found = routes()
                with pytest.raises(ValueError, match="line end"):
                    getattr(found, verb)(name, value)
                assert found.lines == routes().lines and found.names == routes().names
