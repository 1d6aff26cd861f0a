"""Run the commands that the pages show, and write what they print now into the pages: python
docs/outputs.py [PAGE...]

A command is a line `$ racer ...` in a fenced block, with what it prints below it. The commands of a
page run in its order, in an empty folder; a `python` block whose first line is a comment with a
file's name is that file from there on. A line of `...` stands for lines that are left out. What
takes minutes, or what a reader has and this repository has not, is in NOT_RUN, with the reason;
numbers that depend on the machine are in MACHINE_NUMBERS and stay as they are.
`tests/docs/test_outputs.py` runs the same, and fails where a page says something else.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise
from pathlib import Path

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE_NAME = re.compile(r"# ([\w.-]+\.(?:py|toml|json))\n")
PROMPT = "$ "
LEFT_OUT = "..."

MACHINE_NUMBERS = (
    re.compile(r"[\d.]+ us a call"),
    re.compile(r"(?<= in )\d+ s(?=  )"),  # 12 actions, in 14 s  (...)
)
"""What depends on the machine: seconds of the clock on the wall."""

ABOVE = '''\
import math


def heading_error(params):
    """Degrees between the car and the road."""
    behind, ahead = (params["waypoints"][k] for k in params["closest_waypoints"])
    direction = math.degrees(math.atan2(ahead[1] - behind[1], ahead[0] - behind[0]))
    error = abs(direction - params["heading"])
    return min(error, 360.0 - error)


# Near the center line, fast, and along the road.
'''
"""The lines of `mine.py` before those that docs/explain.md shows with their numbers."""

ENDS_AT_ONCE = """\
import os


def reward_function(params):
    if params["progress"] > 1:
        os._exit(7)
    return 1.0
"""

NOT_RUN = {
    "doctor.md": "its run takes a minute, and a minute the doctor",
    "compare.md": "its two runs and races take minutes",
    "replay.md": "its logs are not in this repository",
    "report.md": "its run is the reader's",
}
"""Pages whose commands are not run, and why."""
NOT_RUN_COMMANDS = {
    "--train": "five trainings of each setting take minutes",
    "tracks fetch": "it needs the network",
    "tracks import": "its file is the reader's",
}
"""Parts of commands that are not run, and why."""


@dataclass(frozen=True)
class Shown:
    """A command on a page, and the part of the page that shows what it prints."""

    page: str
    command: str
    start: int
    end: int
    text: str

    @property
    def reason(self) -> str:
        """Why it is not run; empty where it is."""
        for part, reason in NOT_RUN_COMMANDS.items():
            if part in self.command:
                return reason
        if not self.text.strip():
            return "nothing of its output is shown"
        return NOT_RUN.get(self.page, "")


def pages() -> list[Path]:
    """Every page that may show a command."""
    return [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]


def parts(page: Path) -> Iterator[Shown | tuple[str, str]]:
    """The commands of a page and the files that it shows (name, text), in its order."""
    text = page.read_text("utf-8")
    for block in FENCE.finditer(text):
        name = FILE_NAME.match(block[2])
        if block[1] == "python" and name:
            yield name[1], block[2]
            continue
        yield from _commands(page.name, block[2], block.start(2))


def _commands(page: str, block: str, start: int) -> Iterator[Shown]:
    lines = block.splitlines(keepends=True)
    prompts = [k for k, line in enumerate(lines) if line.startswith(PROMPT)]
    for k, following in pairwise([*prompts, len(lines)]):
        if not lines[k].startswith(f"{PROMPT}racer "):
            continue
        begin = start + sum(map(len, lines[: k + 1]))
        text = "".join(lines[k + 1 : following])
        yield Shown(page, lines[k].removeprefix(PROMPT).strip(), begin, begin + len(text), text)


def prepare(page: str, folder: Path) -> None:
    """Put into the folder what the page's reader has before its first command."""
    for name in ("experiments", "rewards"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "mine.py").write_text(reward_of_page(), "utf-8")
    (folder / "ends_at_once.py").write_text(ENDS_AT_ONCE, "utf-8")
    if page == "tutorial.md":
        (folder / "reward.py").write_text("", "utf-8")


def reward_of_page() -> str:
    """The reward of docs/explain.md, whose lines have their numbers there."""
    page = (DOCS / "explain.md").read_text("utf-8")
    listing = next(block[2] for block in FENCE.finditer(page) if block[1] == "python")
    lines = [line[5:] for line in listing.splitlines()]
    return ABOVE + "\n".join(lines) + "\n"


def run(command: str, folder: Path) -> str:
    """What a command prints, on both streams. Raises RuntimeError for wrong use."""
    words = shlex.split(command, comments=True)[1:]
    more = {"RACER_HOME": str(folder / ".home"), "PYTHONUNBUFFERED": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "racer", *words],
        cwd=folder,
        env=os.environ | more,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode not in (0, 1):
        raise RuntimeError(f"{command}\n{done.stdout}")
    text = done.stdout.replace(f"{ROOT}/", "").replace(f"{folder}/", "")
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def outputs(page: Path) -> Iterator[tuple[Shown, str]]:
    """Each command of a page that is run, with what it prints now."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        prepare(page.name, folder)
        for part in parts(page):
            if isinstance(part, tuple):
                (folder / part[0]).write_text(part[1], "utf-8")
            elif not part.reason:
                yield part, run(part.command, folder)


def is_told(shown: str, printed: str) -> bool:
    """Whether a page tells what was printed: its lines, with those of `...` for any others."""
    patterns = []
    for line in _masked(shown).strip("\n").splitlines():
        if line.strip() == LEFT_OUT:
            patterns.append(r"(?:[^\n]*\n)*?")
        else:
            patterns.append(re.escape(line.rstrip()) + r"\n")
    return re.fullmatch("".join(patterns), _masked(printed).strip("\n") + "\n") is not None


def update(shown: str, printed: str) -> str:
    """What the page is to show: all lines that were printed; where the page leaves some out, those
    that are most like the ones that it shows. Lines that differ in MACHINE_NUMBERS only stay.
    """
    told = {_masked(line): line for line in shown.splitlines()}
    now = [told.get(_masked(line), line) for line in printed.strip("\n").splitlines()]
    parts: list[list[str]] = [[]]
    for line in shown.strip("\n").splitlines():
        if line.strip() == LEFT_OUT:
            parts += [[line], []]
        else:
            parts[-1].append(line)
    if len(parts) == 1:
        return "\n".join(now) + "\n"
    begin = len(parts[0])
    kept = now[:begin]
    for gap, lines in zip(parts[1::2], parts[2::2], strict=True):
        is_last = lines is parts[-1]
        begin = len(now) - len(lines) if is_last else _most_alike(lines, now, begin)
        kept += gap + now[begin : begin + len(lines)]
        begin += len(lines)
    return "\n".join(kept) + "\n"


def _most_alike(lines: list[str], now: list[str], first: int) -> int:
    """Where in `now`, from `first` on, as many lines begin as are most like `lines`."""
    wanted = "\n".join(lines)
    places = range(first, max(len(now) - len(lines), first) + 1)

    def likeness(place: int) -> float:
        text = "\n".join(now[place : place + len(lines)])
        return SequenceMatcher(None, wanted, text, autojunk=False).ratio()

    return max(places, key=likeness)


def _masked(text: str) -> str:
    for pattern in MACHINE_NUMBERS:
        text = pattern.sub("N", text)
    return text


def main() -> None:
    """Bring the pages that are named up to date, or all."""
    wanted = sys.argv[1:]
    for page in pages():
        if wanted and page.name not in wanted:
            continue
        text = page.read_text("utf-8")
        for shown, printed in reversed([*outputs(page)]):
            if is_told(shown.text, printed):
                continue
            now = update(shown.text, printed)
            print(f"{page.name}: {shown.command}")
            text = text[: shown.start] + now + text[shown.end :]
        if text != page.read_text("utf-8"):
            page.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
