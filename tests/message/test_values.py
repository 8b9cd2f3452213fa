"""Cutting values up without cutting through quotes or brackets."""

import pytest

from sipproxy.message.values import (
    end_of_first,
    split_commas,
    split_list,
    split_params,
    split_semicolons,
    unfold,
    unquote,
    value_of,
)


class UnfoldTests:
    """A value that goes on in the next line."""

    @pytest.mark.parametrize(
        ("raw", "value"),
        [
            (b"a", b"a"),
            (b"a\r\n b", b"a b"),
            (b"a\r\n\t \t b", b"a b"),
            (b"a\r\n \r\n b", b"a  b"),
            (b"a\n b", b"a b"),
            (b'"two  blanks"\r\n ;c', b'"two  blanks" ;c'),
        ],
    )
    def test_unfold(self, raw: bytes, value: bytes) -> None:
        """A fold is one blank; blanks that are no fold stay as they are."""
        assert unfold(raw) == value

    @pytest.mark.parametrize(
        ("line", "value"),
        [
            (b"Subject: one", b"one"),
            (b"Subject:one", b"one"),
            (b"Subject :  one: two ", b"one: two"),
            (b"Subject:", b""),
            (b"Subject:\r\n one\r\n two", b"one two"),
        ],
    )
    def test_value_of(self, line: bytes, value: bytes) -> None:
        """What stands behind the first colon, without the blanks around it."""
        assert value_of(line) == value


LISTS = [
    (b"", [b""]),
    (b"a", [b"a"]),
    (b" a , b ", [b"a", b"b"]),
    (b"a,,b,", [b"a", b"", b"b", b""]),
    (b'"x, y" <sip:a@b>, <sip:c,d@e>', [b'"x, y" <sip:a@b>', b"<sip:c,d@e>"]),
    (b'"\\", \\\\", b', [b'"\\", \\\\"', b"b"]),
    (b'a;p="1,2", b', [b'a;p="1,2"', b"b"]),
    (b'<a>;p="<", b', [b'<a>;p="<"', b"b"]),
    (b'<a"b>, c"d,e"', [b'<a"b>', b'c"d,e"']),
    (b'"no end, a, b', [b'"no end, a, b']),
    (b"<no end, a, b", [b"<no end, a, b"]),
    (b'a>, "b\xff\x00", c', [b"a>", b'"b\xff\x00"', b"c"]),
    (b'"a\\', [b'"a\\']),
]


class ListTests:
    """Comma lists."""

    @pytest.mark.parametrize(("raw", "parts"), LISTS)
    def test_split_list(self, raw: bytes, parts: list[bytes]) -> None:
        """Commas inside quotes or brackets are no separators; an open end hides the rest."""
        assert split_list(raw) == parts

    @pytest.mark.parametrize(("raw", "parts"), LISTS)
    def test_split_commas(self, raw: bytes, parts: list[bytes]) -> None:
        """The same without the elements that are empty."""
        assert split_commas(raw) == [part for part in parts if part]

    @pytest.mark.parametrize(("raw", "parts"), LISTS)
    def test_end_of_first(self, raw: bytes, parts: list[bytes]) -> None:
        """The first element ends where the list would be cut first."""
        assert raw[: end_of_first(raw)].strip() == parts[0]
        assert raw[end_of_first(raw) :][:1] in (b"", b",")


class ParameterTests:
    """Semicolons, names and values."""

    @pytest.mark.parametrize(
        ("raw", "pieces"),
        [
            (b";a ; b=c", [b"", b"a", b"b=c"]),
            (b';a="b;c";d', [b"", b'a="b;c"', b"d"]),
            (b';a="b\\";c";d', [b"", b'a="b\\";c"', b"d"]),
            (b';a="b;c', [b"", b'a="b;c']),
            (b'"";;', [b'""', b"", b""]),
        ],
    )
    def test_split_semicolons(self, raw: bytes, pieces: list[bytes]) -> None:
        """Semicolons inside quotes belong to the value."""
        assert split_semicolons(raw) == pieces

    def test_split_params(self) -> None:
        """Names come in lower case, values without quotes and escapes, flags without value."""
        raw = b' ;TAG = x;lr ; note="a \\"b\\"; c";empty=;;+sip.x="<urn:x>"'
        assert split_params(raw) == [
            ("tag", "x"),
            ("lr", None),
            ("note", 'a "b"; c'),
            ("empty", ""),
            ("+sip.x", "<urn:x>"),
        ]

    @pytest.mark.parametrize(
        "raw",
        [
            b"",
            b";lr",
            b";A=b;C",
            b';a="b;c=d";e="";f=[::1]:5060;g',
            b';+sip.instance="<urn:uuid:1>";expires=60;q=0.5',
            b';a="=";b="!#~[]",c',
            b";a=b=c;d",
            b';a"b"=c;d',
            b';a="b"c;d',
            b";a=;b",
            b";;a",
        ],
    )
    def test_both_ways_agree(self, raw: bytes) -> None:
        """What is written as usual is read as it would be with something unusual behind it."""
        assert split_params(raw) == split_params(raw + b" ; last")[:-1]

    def test_octets_beyond_text(self) -> None:
        """What is no UTF-8 comes back when it is encoded again."""
        [(name, value)] = split_params(b';n="\xff\xc3\xa9"')
        assert (name, value) == ("n", "\udcffé")
        assert value is not None
        assert value.encode("utf-8", "surrogateescape") == b"\xff\xc3\xa9"

    @pytest.mark.parametrize(
        ("raw", "text"),
        [
            (b'"a"', b"a"),
            (b'""', b""),
            (b'"a\\\\\\"b"', b'a\\"b'),
            (b'"', b'"'),
            (b'"a', b'"a'),
            (b"a", b"a"),
            (b"", b""),
        ],
    )
    def test_unquote(self, raw: bytes, text: bytes) -> None:
        """Only what has both quotes loses them."""
        assert unquote(raw) == text
