"""Reward files with planted faults: every one is found, and no clean file has an error.

The first line of each file in tests/data/corpus says which codes are planted in it.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from racer.checker import CheckReport, check

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("corpus")]


CORPUS = sorted((Path(__file__).parents[1] / "data" / "corpus").glob("*.py"))


def planted(path: Path) -> set[str]:
    words = path.read_text("utf-8").splitlines()[0].removeprefix("# planted:").split()
    return set(words) - {"nothing"}


@pytest.fixture(scope="module")
def reports() -> dict[str, CheckReport]:
    """The report of every file, by its name. Stands outside of the folder that files are run in."""
    here = Path.cwd()
    result = check(CORPUS, seconds=0.6)
    assert Path.cwd() == here
    return {Path(report.path).stem: report for report in result.reports}


def test_the_corpus_is_large_enough() -> None:
    assert len(CORPUS) >= 60
    assert sum(not planted(path) for path in CORPUS) >= 15


def test_the_table_in_the_docs_counts_the_files() -> None:
    page = (Path(__file__).parents[2] / "docs" / "check.md").read_text("utf-8")
    rows = re.findall(r"^\| .+ \| (RW.+|nothing) \| (\d+) files \|$", page, re.MULTILINE)
    assert len(rows) == 7
    for codes, count in rows:
        ranges = [part.replace("RW", "").split(" to ") for part in codes.split(", ")]
        among = {
            f"RW{n}"
            for ends in ranges
            if codes != "nothing"
            for n in range(int(ends[0]), int(ends[-1]) + 1)
        }
        files = [
            path
            for path in CORPUS
            if planted(path) & among or (not planted(path) and codes == "nothing")
        ]
        assert len(files) == int(count), codes


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_what_is_planted_is_found_and_nothing_else_is_an_error(
    reports: dict[str, CheckReport], path: Path
) -> None:
    report = reports[path.stem]
    codes = {found.code for found in report.findings}
    assert planted(path) <= codes
    errors = [found for found in report.findings if found.is_error]
    if not planted(path) or planted(path) & {"RW301", "RW304"}:
        assert errors == []
    for found in report.findings:
        assert found.line <= len(report.source.splitlines())
        assert found.message
        assert "\n" not in found.sentence


@pytest.mark.parametrize(
    ("name", "line", "words"),
    [
        ("ends_at_once", 6, "exit code 7"),
        ("aborts", 7, "signal SIGABRT"),
        ("loops_off_track", 4, "did not come back within 2 s"),
        ("floods", 4, "printed"),
        ("fork_bomb", 7, "os.fork"),
        ("kills", 7, "os.kill"),
        ("past_the_last_waypoint", 4, "IndexError"),
        ("crashed_only", 4, "KeyError: 'crash'"),
        ("misspelled", 3, "did you mean 'distance_from_center'?"),
        ("loops_at_load", 3, "when loaded, did not come back"),
    ],
)
def test_the_sentence_names_line_and_cause(
    reports: dict[str, CheckReport], name: str, line: int, words: str
) -> None:
    # a loop of two lines is met at its head or in its body
    two = {"loops_off_track": (4, 5), "loops_at_load": (3, 4)}
    lines = two.get(name, (line,))
    assert any(found.line in lines and words in found.sentence for found in reports[name].findings)


def test_a_file_that_writes_leaves_nothing_behind(reports: dict[str, CheckReport]) -> None:
    assert "RW109" in {found.code for found in reports["writes"].findings}
    assert not Path("rewards.log").exists()
    assert not (CORPUS[0].parent / "rewards.log").exists()


def test_a_variable_that_is_remembered_is_named(reports: dict[str, CheckReport]) -> None:
    for name, variable in (
        ("remembers", "previous"),
        ("counts", "Memory.steps"),
        ("default_argument", "default argument"),
    ):
        said = [found.message for found in reports[name].findings if found.code == "RW302"]
        assert said
        assert variable in said[0]
