"""Draw the pictures of docs/mistakes.md and write its sentences, with `racer foresee`: python
docs/pictures/mistakes.py [NAME...]

Each section has a mistake, the sentence that the command says of it, its picture, a cure, and the
sentence of the cure. Cures call the function of the page's first block.
"""

import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
PAGE = FOLDER.parent / "mistakes.md"
PICTURES = FOLDER / "mistakes"
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
PICTURE = re.compile(r"\]\(pictures/mistakes/(\w+)\.png\)")
SENTENCE = re.compile(r"^>.*(?:\n>.*)*", re.MULTILINE)
COMMAND = ("--track", "reinvent_2018", "--seconds", "3")


@dataclass(frozen=True)
class Mistake:
    """A section of the page: the name of its picture, the reward files of mistake and cure, and what
    the page says of both.
    """

    name: str
    mistake: str
    cure: str
    sentences: tuple[str, str]


def main() -> None:
    """Draw the pictures that are named, or all."""
    wanted = sys.argv[1:]
    for mistake in read_page(PAGE.read_text("utf-8")):
        if wanted and mistake.name not in wanted:
            continue
        PICTURES.mkdir(exist_ok=True)
        picture = PICTURES / f"{mistake.name}.png"
        said = [
            foresee(mistake.name, mistake.mistake, "-o", str(picture)),
            foresee(f"{mistake.name}_cured", mistake.cure),
        ]
        text = PAGE.read_text("utf-8")
        for before, after in zip(mistake.sentences, said, strict=True):
            text = text.replace(before, after)
        PAGE.write_text(text, "utf-8")


def read_page(text: str) -> list[Mistake]:
    """The sections of the page."""
    head, *sections = re.split(r"^## ", text, flags=re.MULTILINE)
    [helper] = BLOCK.findall(head)
    mistakes = []
    for section in sections:
        mistake, cure = BLOCK.findall(section)
        [name] = PICTURE.findall(section)
        first, second = SENTENCE.findall(section)
        mistakes.append(Mistake(name, mistake, _with_helper(helper, cure), (first, second)))
    return mistakes


def _with_helper(helper: str, cure: str) -> str:
    if "gain(" not in cure:
        return cure
    if cure.startswith("import math\n"):
        return f"import math\n\n{helper}\n\n{cure.removeprefix('import math').lstrip()}"
    return f"{helper}\n\n{cure}"


def foresee(name: str, reward: str, *options: str) -> str:
    """What `racer foresee` says of a reward, as a quotation."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{name}.py"
        file.write_text(reward, "utf-8")
        words = [sys.executable, "-m", "racer", "foresee", file.name, *COMMAND, *options]
        # exit code 1: it asks for no fast laps
        result = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    if result.returncode not in (0, 1):
        raise SystemExit(f"{name}: {result.stderr}")
    lines = result.stdout.splitlines()
    [summary] = [line for line in lines if line.startswith("at gamma")]
    [wish] = [line for line in lines if line.startswith("it wants")]
    print(summary, wish, sep="\n", flush=True)
    return f"> {summary.rstrip()}\n>\n> {wish.partition(', because')[0]}"


if __name__ == "__main__":
    main()
