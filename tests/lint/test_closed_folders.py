"""The rule that a closed folder must not look empty, held by mypy."""

from __future__ import annotations

from pathlib import Path

from mypy import api

PLUGIN = Path(__file__).with_name("closed_folders.py")
CODE = """\
import os
from pathlib import Path

class Database:
    path: Path

    def exists(self) -> bool:
        return self.path.exists()

def look(database: Database, entry: os.DirEntry[str]) -> bool:
    return database.exists() and entry.is_dir()

Path().is_file()
Path().is_dir()
[path.is_symlink() for path in Path().iterdir()]
"""


def test_pathlibs_own_questions_are_refused(tmp_path: Path) -> None:
    """``make lint`` names each question to a path, and leaves alone what only has the same name."""
    (tmp_path / "mypy.ini").write_text(f"[mypy]\nplugins = {PLUGIN}\n")
    code = tmp_path / "code.py"
    code.write_text(CODE)
    told, _, status = api.run(
        ["--config-file", str(tmp_path / "mypy.ini"), "--cache-dir", str(tmp_path), str(code)]
    )
    assert status == 1
    found = [line.split(":")[1] for line in told.splitlines() if "[closed-folder]" in line]
    assert found == ["8", "13", "14", "15"], told
