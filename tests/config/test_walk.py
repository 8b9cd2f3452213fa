"""Which statements are in effect; the rest is in the golden files."""

import pytest

from sipproxy.config.walk import module_name, rooted
from sipproxy.testing.config import MAIN, load_text


class ModuleNameTests:
    """Modules under the names that older files use."""

    @pytest.mark.parametrize(
        ("written", "name"),
        [
            ("mod_sip_enum", "mod_sip_enum"),
            ("mod_sip_enum.c", "mod_sip_enum"),
            ("modules/mod_sip_enum.so", "mod_sip_enum"),
            ("mod_sip_enum.py", "mod_sip_enum"),
            ("sip_enum_module", "mod_sip_enum"),
            ("mod_sip.enum", "mod_sip.enum"),
            ("", ""),
        ],
    )
    def test_module_name(self, written: str, name: str) -> None:
        """Endings and folders of compiled modules are left away."""
        assert module_name(written) == name


class RootedTests:
    """Relative paths."""

    def test_rooted(self) -> None:
        """They are put below the root; absolute ones stay."""
        assert rooted("/srv", "logs/x") == "/srv/logs/x"
        assert rooted("/srv", "/var/x") == "/var/x"
        assert rooted(".", "logs/x") == "logs/x"
        assert rooted("/srv/", "./a/../b") == "/srv/b"


class SkippedTests:
    """What is not in effect is not looked at."""

    def test_skipped_section(self) -> None:
        """A section whose condition fails may hold anything, even directives that do not exist."""
        text = "<IfDefine Never>\nNoSuchThing\nInclude nowhere\nLoadModule nothing\n</IfDefine>\n"
        assert load_text(text).faults == []

    def test_module_condition_knows_modules_loaded_before(self) -> None:
        """IfModule is decided where it stands, by the LoadModule lines above it."""
        text = "LoadModule mod_test\n<IfModule mod_test>\nMaxForks 2\n</IfModule>\n"
        assert load_text(text).server["MaxForks"] == 2

    def test_order_of_faults_is_that_of_the_text(self) -> None:
        """Faults of reading and of values are not two lists for the one who repairs them."""
        lines = [fault.line for fault in load_text("MaxForks x\n</IfModule>\nRecursive x").faults]
        assert lines == [1, 2, 3]

    def test_files_by_their_path(self) -> None:
        """The main file's faults carry the path it was named by."""
        assert load_text("X").faults[0].file == MAIN
