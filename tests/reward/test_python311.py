"""F-strings of Python 3.12, which the simulator runs, read by older Pythons."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from racer.reward import RewardBatch, load_reward
from racer.reward.python311 import downgrade_syntax

NEWER = [
    ("""f"{d["a"]} and {d['b']:>{w}}" """, "1 and       2"),
    ("""("abc{" f"{"a" + "b"!r:>10}" "d}ef")""", "abc{      'ab'd}ef"),
    ('f"{\n  w # a comment\n}"', "7"),
    (r"""f"{'\n'.join(l)}" """, "x\ny"),
    ("""f"{f"{f"{1+1}"}"}" """, "2"),
    ("""f"{w=} {d["a"]=} {d["a"] = :>4}" """, 'w=7 d["a"]=1 d["a"] =    1'),
    ("""f"{w != 1} {"q" if w == 1 else "z"} {{}}" """, "True z {}"),
    ("""rf"\\d{d["a"]}" """, "\\d1"),
    (r"""f"\N{BULLET}{d["a"]}" """, "•1"),
]
OLDER = [
    "f'{w}'",
    "f\"{d['a']!r:>{w}}\"",
    '"""text {"""',
    "f'''{\nw}'''",
    "'it''s'",
    "b'x'",
    '# f"{d["a"]}"',
    "f'{w:%d}'",
]


@pytest.mark.parametrize(("text", "value"), NEWER)
def test_newer_f_strings_say_the_same(text: str, value: str) -> None:
    names: dict[str, Any] = {"d": {"a": 1, "b": 2}, "w": 7, "l": ["x", "y"]}
    assert eval(downgrade_syntax(text).strip(), names) == value


@pytest.mark.parametrize("text", OLDER)
def test_what_older_pythons_read_stays_as_it_is(text: str) -> None:
    assert downgrade_syntax(text) == text


@pytest.mark.parametrize(("text", "value"), NEWER)
def test_lines_stay_where_they_are(text: str, value: str) -> None:
    assert downgrade_syntax(text).count("\n") == text.count("\n")


@given(st.text(alphabet="f'\"{}\\ \nab#:!=(", max_size=30))
def test_any_text_survives(text: str) -> None:
    """No exception, and what this Python can read means the same as before."""
    said = downgrade_syntax(text)
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return
    if said != text:
        ast.parse(said)
    else:
        assert ast.dump(ast.parse(said)) == ast.dump(tree)


def test_type_parameters_are_taken_out_to_look_at_the_rest() -> None:
    text = "def first[T](x: T) -> T:\n    return x\ntype Number = int\nclass Box[T]:\n    pass\n"
    assert downgrade_syntax(text) == text
    ast.parse(downgrade_syntax(text, generics=True))


def test_a_reward_in_the_simulators_python_runs_here(tmp_path: Path) -> None:
    path = tmp_path / "reward.py"
    path.write_text('def reward_function(params):\n    return float(f"{params["speed"]:.1f}")\n')
    assert RewardBatch(load_reward(path), 1)([{"speed": 2.04}]).tolist() == [2.0]
