"""Facts of the real simulator cite sections of docs/simulator.md that are there, and no text of the
repository names a file that is not in it.

A citation is the name of the page with the sections after it, as in `docs/simulator.md 1.1, 1.6 and
2.3`, be it broken by the end of a line. Further sections in brackets, as in `(2.4)`, count where a
file or the page itself cites sections.
"""

from __future__ import annotations

import re
import tokenize
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "simulator.md"
FOLDERS = (
    "src",
    "tests",
    "benchmarks",
    "docs",
    "experiments",
    "rewards",
    "starter",
    "starter_line",
)
SUFFIXES = {".py", ".pyi", ".md", ".toml", ".js", ".css", ".html"}

SECTION = r"[1-9](?:\.\d+)?(?![\w.]*\d)"
LIST = rf"{SECTION}(?:(?:, and |, | and | to ){SECTION})*"
CITATION = re.compile(rf"simulator\.md`?\)? (?:section |sections )?({LIST})")
IN_BRACKETS = re.compile(r"\(([1-9]\.[1-9]\d*(?:(?:, | and )[1-9]\.[1-9]\d*)*)\)")
BARE = re.compile(r"docs/simulator\.md(?!`?,? (?:section |sections )?[1-9])")
HEADING = re.compile(rf"^##+ ({SECTION})\.? ", re.MULTILINE)
ROW = re.compile(rf"^\| ({SECTION}) \|", re.MULTILINE)

# paths below a folder of the repository, and names of pages
FILE_NAME = re.compile(
    r"(?<![\w./<{-])"
    r"(?:(?:docs|src|tests|benchmarks|experiments|rewards|starter)/[\w./-]*\.\w+|[\w./-]*\w\.md)\b"
)
# what racer writes into a user's folder, and what tests and examples write for themselves
WRITTEN = {"comparison.md", "mine/README.md", "src/mine.py"}


def files_that_name_the_page() -> list[Path]:
    """Files in which its name stands."""
    return [path for path in FILES if "simulator.md" in path.read_text("utf-8")]


def text_files() -> list[Path]:
    """The files whose words are the repository's own: not rewards and logs that tests read, and not
    this test, which names what may not be named.
    """
    inside = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*")]
    files = [path for path in [*inside, *ROOT.glob("*.md"), ROOT / "Makefile"] if path.is_file()]
    own = [path for path in files if path.suffix in SUFFIXES or path.name == "Makefile"]
    data = ROOT / "tests" / "data"
    return sorted(path for path in own if data not in path.parents and path != Path(__file__))


@cache
def running_text(path: Path) -> str:
    """The words of a file in one line: the comments and texts of Python, all of another file; no
    marks of comments at the beginnings of lines, no line ends.
    """
    if path.suffix in {".py", ".pyi"}:
        lines = comments_and_strings(path)
    else:
        lines = path.read_text("utf-8").splitlines()
    return " ".join(re.sub(r"^\s*(?:#+ |//|\*)?\s*", "", line) for line in lines)


def comments_and_strings(path: Path) -> list[str]:
    with tokenize.open(path) as file:
        tokens = list(tokenize.generate_tokens(file.readline))
    words = [token.string for token in tokens if token.type in (tokenize.COMMENT, tokenize.STRING)]
    return "\n".join(words).splitlines()


def sections_of(citation: str) -> list[str]:
    return re.findall(SECTION, citation)


def cited_sections(text: str) -> list[str]:
    """The sections of docs/simulator.md that a text cites, in the order of their kinds."""
    named = [match[1] for match in CITATION.finditer(text)]
    if named:
        named += [match[1] for match in IN_BRACKETS.finditer(text)]
    return [section for citation in named for section in sections_of(citation)]


def known_sections() -> set[str]:
    """The numbers of the page's headings, and of the rows of its last section."""
    text = PAGE.read_text("utf-8")
    return {*HEADING.findall(text), *ROW.findall(text)}


FILES = text_files()


def test_every_cited_section_is_there() -> None:
    known = known_sections()
    citations = {path: cited_sections(running_text(path)) for path in files_that_name_the_page()}
    assert sum(map(len, citations.values())) >= 60
    missing = [
        f"{path.relative_to(ROOT)} cites {section}"
        for path, sections in citations.items()
        for section in sections
        if section not in known
    ]
    assert missing == []


def test_the_page_refers_to_its_own_sections() -> None:
    own = [
        section
        for match in IN_BRACKETS.finditer(running_text(PAGE))
        for section in sections_of(match[1])
    ]
    assert own
    assert set(own) <= known_sections()


def test_code_that_cites_the_page_names_a_section() -> None:
    code = [path for path in files_that_name_the_page() if path.suffix != ".md"]
    assert [path for path in code if BARE.search(running_text(path))] == []


def named_files(path: Path) -> list[str]:
    """Names of files of the repository in a text: pages, and paths below one of its folders."""
    return [match[0] for match in FILE_NAME.finditer(path.read_text("utf-8"))]


def is_there(name: str, named_in: Path) -> bool:
    folders = (ROOT, named_in.parent, ROOT / "docs")
    return name in WRITTEN or any((folder / name).exists() for folder in folders)


def test_no_file_names_one_that_is_not_in_the_repository() -> None:
    names = {path: named_files(path) for path in FILES}
    assert sum(map(len, names.values())) >= 100
    missing = {
        f"{path.relative_to(ROOT)} names {name}"
        for path, its_names in names.items()
        for name in its_names
        if not is_there(name, path)
    }
    assert missing == set()


@pytest.mark.parametrize(
    ("text", "sections"),
    [
        ("as it is (docs/simulator.md 1.8).", ["1.8"]),
        ("docs/simulator.md 1.1, 1.6 and 2.3: so", ["1.1", "1.6", "2.3"]),
        ("[the page](simulator.md) section 9.14", ["9.14"]),
        ("docs/simulator.md 2.4, and by the rule of corners (8.2)", ["2.4", "8.2"]),
        ("docs/simulator.md 3, and 0.5 (0.6) of it", ["3"]),
        ("1.5 m (2.4) without a page", []),
    ],
)
def test_citations_are_read_as_they_are_written(text: str, sections: list[str]) -> None:
    assert cited_sections(text) == sections


def test_a_citation_is_read_over_the_end_of_a_line(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("# what is paid (docs/simulator.md\n# 1.7)\n", "utf-8")
    assert cited_sections(running_text(tmp_path / "a.py")) == ["1.7"]


@pytest.mark.parametrize("name", ["DESIGN.md", "docs/nothing.md", "tests/sim/test_nothing.py"])
def test_a_missing_file_is_noticed(name: str, tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text(f'"""As in {name}."""\n', "utf-8")
    assert named_files(path) == [name]
    assert not is_there(name, path)
