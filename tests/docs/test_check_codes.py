"""docs/check_codes.md: every code with what the table says of it, an example that gets it, and a
cure that does not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from racer.checker import static
from racer.checker.findings import CODES, RuleContext
from racer.checker.validators import profiles, trial

PAGE = (Path(__file__).parents[2] / "docs" / "check_codes.md").read_text("utf-8")


@dataclass(frozen=True)
class Section:
    """A code on the page."""

    code: str
    name: str
    said: str
    blocks: tuple[str, ...]


def sections() -> list[Section]:
    found = []
    for part in re.split(r"^### ", PAGE, flags=re.MULTILINE)[1:]:
        code, name = part.splitlines()[0].split()
        blocks = re.findall(r"```python\n(.*?)\n```", part, flags=re.DOTALL)
        found.append(Section(code, name, part, tuple(f"{block}\n" for block in blocks)))
    return found


SECTIONS = sections()
# their examples would be 150,000 characters long, and not UTF-8 as this page is
PLAIN = {"RW401", "RW112"}


DRIVEN = [section for section in SECTIONS if section.code[2] in "23" or section.code == "RW105"]
READ = [section for section in SECTIONS if section not in DRIVEN and section.code not in PLAIN]


def codes(text: str, path: Path) -> set[str]:
    """What the rules without a drive, and the stricter validator, say to a text."""
    path.write_text(text, encoding="utf-8")
    reward, found = static.read_reward_file(path)
    if reward is None:
        return {one.code for one in found}
    context = RuleContext(path, ("aws",))
    rules = (*static.RULES, *profiles.RULES)
    return {one.code for rule in rules for one in rule(reward, context)}


def test_the_page_has_every_code_in_the_tables_order() -> None:
    assert [section.code for section in SECTIONS] == list(CODES)


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.code)
def test_a_section_says_what_the_table_says(section: Section) -> None:
    about = CODES[section.code]
    assert section.name == about.name
    assert f"{about.severity}: {about.meaning}." in section.said
    assert f"Cure: {about.cure}." in section.said


@pytest.mark.slow
@pytest.mark.parametrize("section", READ, ids=lambda section: section.code)
def test_an_example_gets_its_code_and_the_cure_takes_it_away(
    section: Section, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "VALIDATOR_CALL_TIME_S", 0.5)
    bad, good = section.blocks
    assert section.code in codes(bad, tmp_path / "bad.py")
    assert section.code not in codes(good, tmp_path / "good.py")


@pytest.mark.parametrize("section", DRIVEN, ids=lambda section: section.code)
def test_an_example_that_takes_a_drive_reads_well_and_so_does_its_cure(section: Section) -> None:
    """That these codes are found is shown by the corpus, which plants each of them."""
    bad, good = section.blocks
    assert bad != good
    assert callable(_defined(good))
    compile(bad, section.code, "exec")


def _defined(text: str) -> object:
    names: dict[str, object] = {}
    exec(text, names)
    return names["reward_function"]


def test_a_table_of_a_code_is_never_empty() -> None:
    assert all(about.name and about.meaning and about.cure for about in CODES.values())
    assert len({about.name for about in CODES.values()}) == len(CODES)
