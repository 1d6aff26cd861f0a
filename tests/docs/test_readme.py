"""README.md is a test: what it tells a reader to type works, in its order.

Fenced blocks are read by their language. In `bash` and `console` blocks (there, the lines after `$
`), every line that begins with `racer` runs in one temporary folder, a line `cd FOLDER` goes there for good, lines of `make` and `pip
install` are checked but not run. `python` blocks run in that folder too. Files that a block names
are written by a block just before it whose first line is a comment with the name alone (`#
reward.py`). Other languages (`text` for output) are for the eye only.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text("utf-8")
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE_NAME = re.compile(r"# ([\w.-]+\.(?:py|toml|json))$")
SHELL = {"bash", "console"}


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, its text, and its line in README.md."""

    language: str
    text: str
    line: int


def blocks(text: str) -> list[Block]:
    """The fenced blocks of a page, in its order."""
    return [Block(m[1], m[2], text.count("\n", 0, m.start()) + 1) for m in FENCE.finditer(text)]


def commands(block: Block) -> list[str]:
    """The commands of a shell block, comments left out and continued lines joined."""
    lines = block.text.replace("\\\n", " ").splitlines()
    if block.language == "console":
        lines = [line[2:] for line in lines if line.startswith("$ ")]
    bare = [shlex.split(line, comments=True) for line in lines]
    return [line for line, words in zip(lines, bare, strict=True) if words]


def typed(program: str, text: str = README) -> list[list[str]]:
    """The words after `program` in each of its commands on a page."""
    lines = [
        shlex.split(line, comments=True)
        for b in blocks(text)
        if b.language in SHELL
        for line in commands(b)
    ]
    return [words[1:] for words in lines if words[0] == program]


def run(block: Block, folder: Path) -> Path:
    """Do in `folder` what a reader would do with a block, and give the folder where he stands then;
    fails with what went wrong and the line in README.md.
    """
    name = FILE_NAME.match(block.text.partition("\n")[0])
    if name:
        (folder / name[1]).write_text(block.text, "utf-8")
    elif block.language == "python":
        call([sys.executable, "-c", block.text], folder, block)
    elif block.language in SHELL:
        for line in commands(block):
            words = shlex.split(line, comments=True)
            if words[0] == "racer":
                call([sys.executable, "-m", "racer", *words[1:]], folder, block)
            elif words[0] == "cd":
                folder /= words[1]
    return folder


def call(command: list[str], folder: Path, block: Block) -> None:
    home = {"RACER_HOME": str(folder / ".home")}
    done = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | home,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, (
        f"README.md line {block.line}: {shlex.join(command)}\n{done.stdout}{done.stderr}"
    )


def test_what_the_readme_says_to_type_works(tmp_path: Path) -> None:
    (tmp_path / "rewards").symlink_to(ROOT / "rewards")
    (tmp_path / "experiments").symlink_to(ROOT / "experiments")
    folder = tmp_path
    for block in blocks(README):
        folder = run(block, folder)


def test_the_readme_shows_the_main_job() -> None:
    assert {"demo", "test"} <= {word for words in typed("make") for word in words}
    assert {"train", "evaluate"} <= {words[0] for words in typed("racer")}


def test_every_make_target_of_the_readme_is_there() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert {word for words in typed("make") for word in words} <= targets


def test_every_extra_of_the_readme_is_there() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"][
        "optional-dependencies"
    ]
    named = {
        extra
        for words in typed("pip")
        for word in words
        for extra in re.findall(r"\[([\w,]+)\]", word)
    }
    assert named
    assert {extra for names in named for extra in names.split(",")} <= set(extras)


def test_every_file_the_readme_links_to_is_there() -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", README)
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_command_has_a_row_in_the_readme() -> None:
    from racer.cli import COMMANDS

    assert [name for name in COMMANDS if f"`racer {name}" not in README] == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("```bash\nracer a 'b c'  # why\n```\n", [["a", "b c"]]),
        ("```console\n$ racer a \\\n    b\nracer is what it printed\n```\n", [["a", "b"]]),
        ("```text\nracer a\n```\n", []),
        ("```bash\nmake demo\n# racer a\n```\n", []),
    ],
)
def test_commands_are_told_from_comments_and_output(text: str, words: list[list[str]]) -> None:
    assert typed("racer", text) == words


def test_a_command_that_fails_is_told_with_its_line(tmp_path: Path) -> None:
    [block] = blocks("Type:\n\n```bash\nracer tracks show nowhere\n```\n")
    with pytest.raises(AssertionError, match=r"(?s)README.md line 3: .*unknown track 'nowhere'"):
        run(block, tmp_path)


def test_a_block_that_names_a_file_is_written(tmp_path: Path) -> None:
    run(Block("python", "# reward.py\nraise SystemExit\n", 1), tmp_path)
    assert (tmp_path / "reward.py").read_text("utf-8").endswith("raise SystemExit\n")
