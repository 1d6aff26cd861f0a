"""`--fix`: what it rewrites, what it leaves alone, and that rewards stay equal."""

from __future__ import annotations

import ast
import stat
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from racer import track
from racer.checker import static as syntax_rules
from racer.checker.cases import TrialEpisode, lap_episodes, probe_episodes
from racer.checker.fix import (
    FixResult,
    expressions,
    fix_reward,
    imports,
    layout,
    rewrite,
    write_fix,
)
from racer.checker.fix import rewrite as fixing
from racer.checker.fix.edits import SourceText, TextEdit, apply_edits
from racer.checker.validators import profiles, trial
from racer.checker.validators.style import flake8_remarks
from racer.reward import RewardBatch, RewardRefused, load_reward

CORPUS = sorted((Path(__file__).parents[1] / "data" / "corpus").glob("*.py"))
IGNORED = profiles.PROFILES["aws"].ignored
Mend = Callable[..., FixResult]


@pytest.fixture(scope="module")
def steps() -> tuple[TrialEpisode, ...]:
    """The steps that are compared here: a lap, and places all over a track."""
    road = track.load_track("reinvent_2018")
    return (*lap_episodes(road, ["fast"]), *probe_episodes(road))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, steps: tuple[TrialEpisode, ...]) -> None:
    monkeypatch.setattr(rewrite, "proof_episodes", lambda: steps)
    monkeypatch.setattr(trial, "VALIDATOR_CALL_TIME_S", 0.5)


@pytest.fixture
def mend(tmp_path: Path) -> Mend:
    """A function that writes a source text and gives what `--fix` makes of it."""

    def fixed(text: str, profile: str = "aws") -> FixResult:
        path = tmp_path / "reward.py"
        path.write_text(dedent(text).lstrip("\n"), encoding="utf-8")
        return fix_reward(path, profile)

    return fixed


MESSY = '''
import math,os; import numpy as np
from math import *
def helper(l):
  return l+1
def reward_function(params):
    """load me"""
    import random
    speed=params['speed'] ; x = params['x']   # the comment stays
    y = y2 = math.sqrt(4)
    ##### PLACE #####
    on_track = params['all_wheels_on_track']
    save_it = 1 if on_track == True else 2
    f = lambda a,b=2: a+b
    if speed == None or not speed in (1,2): return 0
    try:
        z = sqrt(2)
    except:
        pass
    try:
        print(f"hi {{}}")
    except ValueError as err:
        return -1
    if (f(1) != False):
        return (save_it +
           1)  # done
    return np.max([1, 2])
'''
TIDY = '''
import math
import numpy as np
from math import sqrt


def helper(l_):
    return l_ + 1


def reward_function(params):
    """read me"""
    speed = params['speed']
    math.sqrt(4)
    # PLACE
    on_track = params['all_wheels_on_track']
    keep_it = 1 if on_track is True else 2

    def f(a, b=2):
        return a + b
    if speed is None or speed not in (1, 2):
        return 0.0
    try:
        sqrt(2)
    except BaseException:
        pass
    try:
        print("hi {}")
    except ValueError:
        return -1.0
    if (f(1) != 0):
        return float((keep_it +
                      1))  # done
    return float(np.max([1, 2]))
'''


def test_a_messy_file_becomes_tidy_in_one_go(mend: Mend) -> None:
    fixed = mend(MESSY)
    assert fixed.after == TIDY.lstrip("\n")
    assert fixed.why_unchanged == ""
    assert fixed.compared_steps > 100
    assert len(fixed.rewrites) == len(fixing.REWRITES)


def test_the_diff_is_that_of_diff_u(mend: Mend) -> None:
    fixed = mend("def reward_function(params):\n    return 1\n")
    assert fixed.diff.splitlines()[3:] == [
        " def reward_function(params):",
        "-    return 1",
        "+    return 1.0",
    ]


def test_what_is_accepted_is_left_alone(mend: Mend) -> None:
    fixed = mend("def reward_function(params):\n    return 1.0\n")
    assert not fixed.is_changed
    assert fixed.why_unchanged == "nothing to fix: aws accepts it"


def test_what_cannot_be_accepted_is_left_alone_as_a_whole(mend: Mend) -> None:
    fixed = mend("import os\ndef reward_function(params):\n    return len(os.name)\n")
    assert not fixed.is_changed
    assert "os is imported" in fixed.why_unchanged
    assert [finding.code for finding in fixed.refused] == ["RW403"]


def test_what_pays_otherwise_is_left_alone(mend: Mend, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = (lambda source: source.replace("2.0", "3.0"), "values changed")
    monkeypatch.setattr(fixing, "REWRITES", (*fixing.REWRITES, bad))
    fixed = mend("def reward_function(params):\n    x=2.0\n    return x\n")
    assert not fixed.is_changed
    assert (
        fixed.why_unchanged
        == "left alone: at step 0 of a fast center-line lap on reinvent_2018 it pays 3.0 instead of 2.0"
    )


def test_a_reward_that_depends_on_the_clock_cannot_be_proved(mend: Mend) -> None:
    fixed = mend("""
        import random
        def reward_function(params):
            return random.SystemRandom().random()
        """)
    assert not fixed.is_changed
    assert "instead of" in fixed.why_unchanged


def test_a_file_that_crashes_on_some_steps_crashes_on_the_same_ones_afterwards(mend: Mend) -> None:
    fixed = mend("""
        def reward_function(params):
            if params['progress'] < 0:
                raise ValueError('back')
            x=params['speed']
            return x
        """)
    assert fixed.is_changed
    assert "x = params" in fixed.after


def test_the_old_text_is_kept_beside_and_the_mode_stays(mend: Mend) -> None:
    fixed = mend("def reward_function(params):\n    return 1\n")
    fixed.path.chmod(0o640)
    assert write_fix(fixed) == fixed.path.with_name("reward.py.bak")
    assert fixed.path.read_text() == fixed.after
    assert fixed.path.with_name("reward.py.bak").read_text() == fixed.before
    assert stat.S_IMODE(fixed.path.stat().st_mode) == 0o640


def test_a_backup_never_replaces_another(mend: Mend) -> None:
    fixed = mend("def reward_function(params):\n    return 1\n")
    fixed.path.with_name("reward.py.bak").write_text("precious")
    assert write_fix(fixed).name == "reward.py.bak2"
    assert fixed.path.with_name("reward.py.bak").read_text() == "precious"


def test_line_ends_of_windows_stay(tmp_path: Path) -> None:
    path = tmp_path / "reward.py"
    path.write_bytes(b"def reward_function(params):\r\n    x=1.0\r\n    return x\r\n")
    write_fix(fix_reward(path))
    assert path.read_bytes() == b"def reward_function(params):\r\n    x = 1.0\r\n    return x\r\n"


def test_the_community_minds_less_and_less_is_changed(mend: Mend) -> None:
    text = "import math\ndef reward_function(params):\n    x=1.0\n    return x\n"
    assert not mend(text, "community").is_changed
    assert mend(text, "aws").is_changed


@pytest.mark.slow
@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_every_file_of_the_corpus_is_fixed_or_left_alone(
    path: Path, steps: tuple[TrialEpisode, ...]
) -> None:
    reward, _ = syntax_rules.read_reward_file(path)
    if reward is None:
        return  # no Python: nothing to fix, and said so by RW101
    fixed = fix_reward(reward)
    assert fixed.is_changed is (fixed.why_unchanged == "")
    if fixed.is_changed:
        copy = load_reward(path), _loaded(fixed)
        assert profiles.validator_findings(copy[1], "aws") == []
        assert _paid(copy[0], steps) == _paid(copy[1], steps)


def test_some_of_the_corpus_is_fixed() -> None:
    assert len(CORPUS) >= 60


def _loaded(fixed: FixResult):  # type: ignore[no-untyped-def]
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / fixed.path.name
        path.write_text(fixed.after)
        return load_reward(path)


def _paid(reward, steps: tuple[TrialEpisode, ...]) -> list[str]:  # type: ignore[no-untyped-def]
    """The obvious twin of the proof: every step alone, as text."""
    found = []
    for episode in steps:
        batch = RewardBatch(reward, 1)
        for told in episode.params:
            try:
                found.append(repr(float(batch([dict(told)])[0])))
            except RewardRefused as error:
                found.append(error.exception or "refused")
    return found


def said(source: str) -> set[str]:
    return {remark.code for remark in flake8_remarks(source, IGNORED)}


IMPORTS = [
    (
        "def f():\n    import math\n    return math.pi\n",
        "import math\n\n",
        "def f():\n    return math.pi\n",
    ),
    (
        '"""Doc."""\ndef f():\n    from math import pi\n    return pi\n',
        '"""Doc."""\nfrom math import pi\n',
        "",
    ),
    (
        "import random\ndef f():\n    import math\n    return math.pi\n",
        "import random\nimport math\n",
        "",
    ),
    ("x = 1\nimport math\ny = math.pi\n", "import math\nx = 1\n", "y = math.pi\n"),
    ("def f():\n    import math\n", "import math\n", "def f():\n    pass\n"),
    ("def f():\n    import math; return math.pi\n", "import math\n", "    return math.pi\n"),
]


@pytest.mark.parametrize(("text", "start", "end"), IMPORTS)
def test_late_imports_move_to_the_top(text: str, start: str, end: str) -> None:
    moved = imports.move_imports_to_top(text)
    assert moved.startswith(start.rstrip("\n"))
    assert moved.endswith(end)


@pytest.mark.parametrize(
    "text",
    [
        "def f():\n    try:\n        import math\n    except ImportError:\n        math = None\n    return math\n",
        "math = 3\n\n\ndef f():\n    import math\n    return math.pi\n",
        "def f(math):\n    import math\n    return math.pi\n",
        "from random import random\n\n\ndef f():\n    import random\n    return random\n",
        "def f():\n    import os\n    return os\n",
    ],
)
def test_imports_with_another_meaning_elsewhere_stay(text: str) -> None:
    assert imports.move_imports_to_top(text) == text


def test_a_star_of_an_unknown_module_stays() -> None:
    text = "from os.path import *\nx = join('a', 'b')\n"
    assert imports.spell_out_star_imports(text) == text


UNUSED = [
    ("x = 1", ""),
    ("x = params['speed']", ""),
    ("x = params['nothing']", "params['nothing']"),
    ("x = print(1)", "print(1)"),
    ("x = 1 / params['speed']", "1 / params['speed']"),
    ("x = 2.0 * params['speed'] + 1", ""),
    ("x: float = 1.0", ""),
    ("x = (print(1))", "(print(1))"),
    ("x = y = print(1)\n    y", "y = print(1)\n    y"),
]


@pytest.mark.parametrize(("line", "left"), UNUSED)
def test_unused_names_go_and_what_they_do_stays(line: str, left: str) -> None:
    text = f"def reward_function(params):\n    {line}\n    return 1.0\n"
    kept = f"    {left}\n" if left else ""
    assert (
        expressions.remove_unused_names(text)
        == f"def reward_function(params):\n{kept}    return 1.0\n"
    )


def test_names_that_become_unused_go_as_well() -> None:
    text = "def reward_function(params):\n    a = 1\n    b = a\n    c = b\n    return 1.0\n"
    assert expressions.remove_unused_names(text) == "def reward_function(params):\n    return 1.0\n"


def test_a_block_that_loses_everything_passes() -> None:
    text = "def f(a):\n    if a:\n        b = 1\n    return a\n"
    assert (
        expressions.remove_unused_names(text)
        == "def f(a):\n    if a:\n        pass\n    return a\n"
    )


@pytest.mark.parametrize(
    ("text", "better"),
    [
        ("y = x == None", "y = x is None"),
        ("y = None != x", "y = None is not x"),
        ("y = x == True", "y = x == 1"),
        ("y = False != x", "y = 0 != x"),
        ("y = x==True", "y = x==1"),
        ("y = params['is_crashed'] == False", "y = params['is_crashed'] is False"),
        ("y = params['is_crashed']==False", "y = params['is_crashed'] is False"),
        ("y = type(x) == type(z)", "y = type(x) is type(z)"),
        ("y = (x) == None", "y = (x) is None"),
    ],
)
def test_comparisons_are_said_otherwise(text: str, better: str) -> None:
    assert expressions.rewrite_comparisons(text) == better


@pytest.mark.parametrize(
    "value",
    ["0", "1", "2", "0.0", "1.0", "True", "False", "None", "'True'", "np.bool_(True)", "np.nan"],
)
@pytest.mark.parametrize(
    "comparison", ["x == True", "x != True", "x == False", "True == x", "x == None"]
)
def test_a_rewritten_comparison_is_the_same_for_every_value(value: str, comparison: str) -> None:
    better = expressions.rewrite_comparisons(f"y = {comparison}\n")
    known = {"x": eval(value, {"np": np})}
    one, other = dict(known), dict(known)
    exec(f"y = {comparison}\n", one)
    exec(better, other)
    assert bool(one["y"]) is bool(other["y"])


@pytest.mark.parametrize(
    ("line", "better"),
    [
        ("return 1", "return 1.0"),
        ("return -1", "return -1.0"),
        ("return 1.0", "return 1.0"),
        ("return float(x)", "return float(x)"),
        ("return x  # why", "return float(x)  # why"),
        ("return (x +\n            1)", "return float((x +\n            1))"),
        ("return x if x else 0", "return float(x if x else 0)"),
        ("return", "return"),
    ],
)
def test_results_become_floats(line: str, better: str) -> None:
    text = "def reward_function(x):\n    def inner():\n        return 1\n    {}\n"
    assert expressions.convert_results_to_float(text.format(line)) == text.format(better)


@pytest.mark.parametrize(
    ("text", "better"),
    [
        ("x = 1  # to load", "x = 1  # to read"),
        ("# overloaded", "# overlo-aded"),
        ("save = 1\nprint(save)\n", "keep = 1\nprint(keep)\n"),
        ("x = 'load'\n", "x = 'load'\n"),
        ("x.load = 1\nload = 2\n", "x.load = 1\nload = 2\n"),
    ],
)
def test_forbidden_words_go_where_that_changes_nothing(text: str, better: str) -> None:
    assert imports.replace_forbidden_words(text) == better


def test_a_renamed_name_never_meets_another() -> None:
    text = "l = 1\nl_ = 2\nprint(l, l_)\n"
    assert expressions.rename_ambiguous_names(text) == text
    text = "def f(l):\n    return l\n\n\nf(l=2)\n"
    assert expressions.rename_ambiguous_names(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "if a :\n  b=1\n",
        "def f():\n\tx = 1\n\treturn x\n",
        'def f():\n  """One\n     two.\n  """\n  return 1\n',
        "x = [1,2 ,\n  3]\n",
        "def a(): return 1\ndef b(): return 2\n",
        "if x: y = 1; z = 2\n",
        "#comment\nx = 1 #more\n",
    ],
)
def test_layout_is_tidied_without_another_tree(text: str) -> None:
    tidy = layout.tidy_layout(layout.separate_statements(text))
    assert said(tidy) <= {"F821"}
    assert layout.is_same_program(text, tidy)


@pytest.mark.parametrize(
    ("text", "better"),
    [
        ("#### HELPERS ####\n", "# HELPERS\n"),
        ("if x:\n    ##a\n    y = 1\n", "if x:\n    # a\n    y = 1\n"),
        ("########\n", "########\n"),
        ("y = '## a'  ## b\n", "y = '## a'  ## b\n"),
    ],
)
def test_headings_in_comments_are_made_plain(text: str, better: str) -> None:
    assert layout.simplify_comment_headings(text) == better


def test_a_file_that_is_no_source_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "reward.py"
    path.write_text("")
    assert "left alone: line 1: RW102 the file is empty" in fix_reward(path).why_unchanged


def test_text_of_a_string_is_no_layout() -> None:
    assert not layout.is_same_program("x = 'a  b'", "x = 'a b'")


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(MESSY.strip().splitlines()[5:]), max_size=12))
def test_any_mixture_of_lines_is_rewritten_to_python_or_not_at_all(lines: list[str]) -> None:
    source = "import math\n\n\ndef reward_function(params):\n    pass\n" + "".join(
        f"{line}\n" for line in lines
    )
    try:
        ast.parse(source)
    except SyntaxError:
        return
    after, _ = fixing.rewrite_source(source, {"RW409", "RW405"})
    ast.parse(after)


def test_places_count_bytes_of_other_alphabets() -> None:
    text = SourceText("x = 'äöü€'; y = 1\n")
    (_, second) = text.tree.body
    assert text.of(second) == "y = 1"
    assert apply_edits(text.source, text.without([second])) == "x = 'äöü€'\n"


def test_edits_that_overlap_are_not_both_made() -> None:
    assert (
        apply_edits("abcdef", [TextEdit(1, 3, "X"), TextEdit(2, 4, "Y"), TextEdit(5, 6)]) == "aXde"
    )
