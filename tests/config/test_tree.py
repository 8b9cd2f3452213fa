"""One file's nodes and faults, and how places are printed; shapes are in the golden files."""

from sipproxy.config.tree import Fault, Position, Section, Statement, parse, section_name


class PositionTests:
    """Places, as an editor can jump to them."""

    def test_line_of_a_file(self) -> None:
        """The form is that of compilers."""
        assert str(Position("conf/sipd.conf", 9)) == "conf/sipd.conf:9"

    def test_whole_file(self) -> None:
        """Line 0 is no line."""
        assert str(Position("conf/sipd.conf", 0)) == "conf/sipd.conf"


class FaultTests:
    """Faults, as they are printed."""

    def test_error(self) -> None:
        """Place, then sentence."""
        assert str(Fault("f", 3, "A: is wrong")) == "f:3: A: is wrong"

    def test_note(self) -> None:
        """A note says that it is one."""
        assert str(Fault("f", 3, "A: is odd", "note")) == "f:3: note: A: is odd"


class ParseTests:
    """Nodes remember where they were written."""

    def test_statement_keeps_its_text(self) -> None:
        """Words are made later, when it is known whether the directive wants words at all."""
        nodes, faults = parse('Say  "hello', "f")
        assert nodes == [Statement("Say", '"hello', Position("f", 1))]
        assert faults == []

    def test_unknown_section_takes_its_content_with_it(self) -> None:
        """One fault for the section is enough; what it holds is not complained about."""
        nodes, faults = parse(
            "<VirtualHost *>\nA\n<IfModule x>\nB\n</IfModule>\n</VirtualHost>\nC", "f"
        )
        assert [node.name for node in nodes] == ["C"]
        assert [fault.line for fault in faults] == [1]

    def test_unclosed_section_is_named_where_it_opens(self) -> None:
        """The end of the file would not help to find it."""
        nodes, faults = parse("A\n<IfDefine X>\nB\n", "f")
        assert [str(fault) for fault in faults] == [
            "f:2: <IfDefine> is never closed: </IfDefine> is missing"
        ]
        section = nodes[1]
        assert isinstance(section, Section)
        assert [child.name for child in section.children] == ["B"]


class SectionNameTests:
    """Names of sections."""

    def test_any_case(self) -> None:
        """They are spelt as in the documents, however written."""
        assert section_name("ifmodule") == "IfModule"
        assert section_name("directory") is None
