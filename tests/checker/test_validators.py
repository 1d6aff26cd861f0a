"""The validators' verdicts, quirk by quirk (docs/simulator.md 1.8)."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest

from racer.checker.findings import Finding
from racer.checker.validators import profiles, style, trial
from racer.checker.validators.trial import sample_params
from racer.errors import UsageError
from racer.reward import RewardFunction, load_reward, shipped_rewards

Verdict = Callable[..., list[Finding]]


@pytest.fixture
def verdict(tmp_path: Path) -> Verdict:
    """A function that gives what a validator objects to in a source text."""

    def ask(text: str, profile: str = "aws") -> list[Finding]:
        path = tmp_path / "reward.py"
        path.write_text(dedent(text).lstrip("\n"), encoding="utf-8")
        return profiles.validator_findings(load_reward(path), profile)

    return ask


def codes(found: list[Finding]) -> list[str]:
    return list(dict.fromkeys(finding.code for finding in found))


def function(body: str, before: str = "") -> str:
    """A reward file that is accepted, apart from what is in its body."""
    top = f"{before}\n\n\n" if before else ""
    return f"{top}def reward_function(params):\n    {body}\n"


@pytest.mark.parametrize("profile", ["aws", "community"])
@pytest.mark.parametrize("name", sorted(shipped_rewards()))
def test_both_accept_what_ships(name: str, profile: str) -> None:
    assert profiles.validator_findings(load_reward(name), profile) == []


@pytest.mark.parametrize(
    "module", ["math", "random", "numpy", "scipy", "shapely", "numpy.linalg", "shapely.geometry"]
)
def test_allowed_modules_may_be_imported_whole_or_in_part(verdict: Verdict, module: str) -> None:
    assert verdict(function(f"return float(len({module}.__name__))", f"import {module}")) == []


@pytest.mark.parametrize(
    "line",
    ["import os", "import time", "from json import dumps", "from __future__ import division"],
)
def test_any_other_import_is_refused(verdict: Verdict, line: str) -> None:
    assert "RW403" in codes(verdict(function("return 1.0", line), "community"))


def test_an_import_inside_a_function_is_refused_while_it_runs(verdict: Verdict) -> None:
    found = verdict("""
        def reward_function(params):
            import math
            return math.sqrt(4.0)
        """)
    assert codes(found) == ["RW406"]
    assert found[0].line == 2
    assert "math" in found[0].message


def test_an_import_in_a_branch_that_the_first_sample_does_not_take_is_accepted(
    verdict: Verdict,
) -> None:
    found = verdict("""
        def reward_function(params):
            if params['speed'] > 4.0:
                import math
                return math.sqrt(4.0)
            return 1.0
        """)
    assert found == []


@pytest.mark.parametrize("line", ["print(params['waypoints'])", "str(params['waypoints'][0])"])
def test_an_array_is_printed_without_an_import(verdict: Verdict, line: str) -> None:
    text = f"def reward_function(params):\n    {line}\n    return 1.0\n"
    assert verdict(text) == []


@pytest.mark.slow
def test_an_array_that_is_shown_as_repr_takes_an_import_there(tmp_path: Path) -> None:
    # in a program of its own: numpy imports what shows an array once, and this one may have shown some
    path = tmp_path / "reward.py"
    path.write_text("def reward_function(params):\n    repr(params['waypoints'])\n    return 1.0\n")
    words = ["-m", "racer", "check", str(path), "--profile", "aws", "--track", "oval", "--json"]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    found = [finding["code"] for finding in json.loads(done.stdout)[0]["findings"]]
    assert "RW408" in found


def test_a_refused_import_cannot_be_caught_as_import_error(verdict: Verdict) -> None:
    text = """
        def reward_function(params):
            try:
                import math
            except {}:
                return 1.0
            return math.sqrt(4.0)
        """
    assert codes(verdict(text.format("ImportError"))) == ["RW406"]
    assert verdict(text.format("Exception")) == []


@pytest.mark.parametrize("word", ["open", "exec", "eval", "compile", "input"])
def test_forbidden_builtins_are_refused_where_they_are_called(verdict: Verdict, word: str) -> None:
    text = f"def other():\n    return {word}('1')\n\n\n" + function("return 1.0")
    found = verdict(text)
    assert codes(found) == ["RW404"]
    assert found[0].line == 2
    assert word in found[0].message


def test_a_forbidden_builtin_in_an_argument_by_name_is_not_seen(verdict: Verdict) -> None:
    assert (
        verdict("def other():\n    return dict(a=eval('1'))\n\n\n" + function("return 1.0")) == []
    )


def test_a_method_called_like_a_forbidden_builtin_is_allowed(verdict: Verdict) -> None:
    text = "def other(book):\n    return book.open()\n\n\n" + function("return 1.0")
    assert verdict(text) == []


@pytest.mark.parametrize(
    "expression", ["params['waypoints'][0].sum()", "'a'.join(['b'])", "(1.0 + 2.0).real"]
)
def test_a_dot_after_something_without_a_name_makes_the_validator_fail(
    verdict: Verdict, expression: str
) -> None:
    assert codes(verdict(function(f"return float(len(str({expression})))"))) == ["RW412"]


@pytest.mark.parametrize("word", style.REFUSED_WORDS)
def test_forbidden_words_are_refused_even_in_comments(verdict: Verdict, word: str) -> None:
    found = verdict(function(f"return 1.0  # {word}"))
    assert set(codes(found)) == {"RW405"}
    assert word in " ".join(finding.message for finding in found)


def test_a_forbidden_word_inside_another_word_is_refused(verdict: Verdict) -> None:
    found = verdict(function("overloaded = 1.0\n    return overloaded"))
    assert codes(found) == ["RW405"]
    assert (found[0].line, found[0].column) == (2, 9)


@pytest.mark.parametrize("arguments", ["params, more=1", "params, *more", "params, **more"])
def test_more_than_one_argument_is_refused_even_with_a_default(
    verdict: Verdict, arguments: str
) -> None:
    found = verdict(function("return 1.0").replace("params", arguments))
    assert codes(found) == ["RW407"]


def test_a_star_argument_alone_is_accepted(verdict: Verdict) -> None:
    assert verdict(function("return 1.0").replace("params", "*params")) == []


@pytest.mark.parametrize(
    "value", ["1", "True", "None", "'1.0'", "[1.0]", "params['steps']", "numpy.int64(1)"]
)
def test_what_is_no_float_is_refused(verdict: Verdict, value: str) -> None:
    before = "import numpy" if "numpy" in value else ""
    assert codes(verdict(function(f"return {value}", before))) == ["RW409"]


@pytest.mark.parametrize("value", ["1.0", "numpy.float64(1.0)", "numpy.float64(params['x'])"])
def test_floats_of_numpy_are_floats(verdict: Verdict, value: str) -> None:
    before = "import numpy" if "numpy" in value else ""
    assert verdict(function(f"return {value}", before)) == []


def test_a_float_of_32_bits_is_refused(verdict: Verdict) -> None:
    assert codes(verdict(function("return numpy.float32(1.0)", "import numpy"))) == ["RW409"]


@pytest.mark.parametrize(
    ("value", "is_accepted"),
    [
        ("1e5", True),
        ("-1e5", True),
        ("1e5 + 1.0", False),
        ("float('nan')", False),
        ("float('inf')", False),
    ],
)
def test_the_range_is_a_hundred_thousand_and_nan_is_outside(
    verdict: Verdict, value: str, is_accepted: bool
) -> None:
    assert codes(verdict(function(f"return {value}"))) == ([] if is_accepted else ["RW410"])


@pytest.mark.parametrize("key", ["projection_distance", "objects_distance_from_center", "sim_time"])
def test_keys_that_only_the_simulator_has_are_refused_with_what_to_write(
    verdict: Verdict, key: str
) -> None:
    found = verdict(function(f"return float(bool(params['{key}'])) + 0.5"))
    assert codes(found) == ["RW408"]
    assert f"params.get('{key}', 0.0)" in found[0].remedy


def test_waypoints_are_an_array_of_the_inner_border(verdict: Verdict) -> None:
    first = sample_params()[0]["waypoints"]
    assert isinstance(first, np.ndarray)
    assert first.shape[1] == 2
    found = verdict(function("return 1.0 if params['waypoints'] else 2.0"))
    assert codes(found) == ["RW408"]
    assert "list(params['waypoints'])" in found[0].remedy


def test_the_samples_are_as_the_fact_sheet_has_them() -> None:
    found = sample_params()
    assert [len(sample) for sample in found] == [24] * 5
    assert [sample["steps"] for sample in found] == [1, 1, 100, 1, 10000]
    assert all(type(sample["steps"]) is int and sample["is_reversed"] is True for sample in found)
    assert max(sample["heading"] for sample in found) == 359.9
    assert [sample["progress"] for sample in found] == [0, 0, 50, 0, 100]
    assert [sample["is_offtrack"] for sample in found] == [False, False, False, True, False]
    assert all(len(sample["objects_location"]) == 6 for sample in found)
    assert all(abs(angle) <= np.pi for angle in found[0]["objects_heading"])
    assert found[3]["distance_from_center"] == found[3]["track_width"]
    assert tuple(found[1]["waypoints"][0]) == (found[1]["x"], found[1]["y"])


@pytest.mark.parametrize(
    ("condition", "which"),
    [
        ("params['steps'] == 100", "half a lap"),
        ("params['is_offtrack']", "off the track"),
        ("params['progress'] == 100", "the finish"),
        ("params['speed'] == 0.1", "the start line"),
    ],
)
def test_every_sample_is_driven_by_an_instance_of_its_own(
    verdict: Verdict, condition: str, which: str
) -> None:
    text = f"""
        calls = []


        def reward_function(params):
            calls.append(1)
            if {condition}:
                return 1
            return 1.0 if len(calls) == 1 else 1
        """
    found = verdict(text)
    assert codes(found) == ["RW409"]
    assert which in found[0].message


def test_a_division_by_the_sample_zero_is_refused_with_a_hint(verdict: Verdict) -> None:
    found = verdict(function("return 1.0 / params['progress']"))
    assert codes(found) == ["RW408"]
    assert "guard the division" in found[0].remedy


def test_a_numpy_zero_divides_without_an_error_and_is_out_of_range(verdict: Verdict) -> None:
    found = verdict(function("return params['x'] / (params['x'] - params['x'])"))
    assert codes(found) == ["RW410"]


def test_a_call_without_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "reward.py"
    path.write_text(
        "def reward_function(params):\n    while params['steps']:\n        pass\n    return 1.0\n"
    )
    assert [trouble.code for trouble in trial.run_test_drive(load_reward(path), seconds=0.2)] == [
        "RW411"
    ]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("import math\n", "RW102"),
        ("raise ValueError\n\n\n" + function("return 1.0"), "RW413"),
        ("import scipy.nothing\n\n\n" + function("return float(scipy.nothing.x)"), "RW413"),
    ],
)
def test_a_file_that_cannot_be_loaded_is_refused(verdict: Verdict, text: str, what: str) -> None:
    found = verdict(text, "community")
    assert codes(found) == ["RW407" if what == "RW102" else what]


def test_a_file_that_ends_the_program_is_refused_and_racer_goes_on(verdict: Verdict) -> None:
    found = verdict("import numpy\n\n\n" + function("return numpy.os._exit(3)"), "community")
    assert found != []


@pytest.mark.parametrize(
    ("text", "aws", "community"),
    [
        ("def reward_function(params):\n  return 1.0\n", {"E111"}, {"E111"}),
        ("def reward_function(params):\n    x=params['speed']\n    return x\n", {"E225"}, set()),
        ("import math\ndef reward_function(params):\n    return math.pi\n", {"E302"}, set()),
        (function("return 1.0", "import math"), {"F401"}, set()),
        (function("x = 1\n    return 1.0"), {"F841"}, set()),
        (function("return 1.0 if params['is_crashed'] == True else 2.0"), {"E712"}, {"E712"}),
        (function("return float(params['speed']+1)"), set(), set()),
        (function("return 1.0 # near"), set(), set()),
        (function("return 1.0  " + "# far" * 40), set(), set()),
        (function("return undefined"), {"F821"}, {"F821"}),
        (function("import math\n    return float(math.pi)  # noqa"), set(), set()),
        ("def reward_function(params):\n    x=1.0  # noqa: E225\n    return x\n", set(), set()),
        ("# flake8: noqa\ndef reward_function(params):\n  return 1.0\n", set(), set()),
        (function("return max(1.0,\n         2.0)"), {"E128"}, {"E128"}),
        (function("return 1.0;"), {"E703"}, {"E703"}),
    ],
)
def test_flake8_is_asked_for_more_by_aws(
    verdict: Verdict, text: str, aws: set[str], community: set[str]
) -> None:
    for profile, wanted in (("aws", aws), ("community", community)):
        said = {f.message[:4] for f in verdict(text, profile) if f.code == "RW402"}
        assert said == wanted, profile


def test_a_file_may_have_140000_characters(verdict: Verdict) -> None:
    text = function("return 1.0")
    filling = "#" * (140_000 - len(text) - 1) + "\n"
    assert verdict(text + filling, "community") == []
    assert codes(verdict(text + "#" + filling, "community")) == ["RW401"]


def test_a_refusal_says_which_validator_and_its_result_type(verdict: Verdict) -> None:
    found = verdict("import math\n" + function("return 1"), "aws")
    assert {finding.profile for finding in found} == {"aws"}
    assert {finding.code: profiles.refusal_type(finding) for finding in found} == {
        "RW402": "SYNTAX_ERROR",
        "RW409": "TEST_FAILURE",
    }


def test_a_module_that_is_not_there_is_an_import_error(verdict: Verdict) -> None:
    found = verdict("import numpy.nothing as nothing\n\n\n" + function("return float(nothing.x)"))
    assert [profiles.refusal_type(finding) for finding in found] == ["IMPORT_ERROR"]


def test_an_unknown_profile_gets_a_suggestion() -> None:
    with pytest.raises(UsageError, match="did you mean 'community'"):
        profiles.find_profile("comunity")


def test_a_situation_is_fresh_each_time() -> None:
    one, other = sample_params()[0], sample_params()[0]
    one["waypoints"][:] = 0.0
    assert other["waypoints"].any()


def test_rules_see_nothing_without_a_profile() -> None:
    from racer.checker.findings import RuleContext

    reward: RewardFunction = load_reward("center_line")
    assert [
        finding for rule in profiles.RULES for finding in rule(reward, RuleContext(reward.path))
    ] == []


@pytest.mark.parametrize(
    ("line", "cure"),
    [
        ("x=1.0\n    return x", "mind the spaces"),
        ("return 1.0 if params == None else 2.0", "is None"),
        ("return nothing", "define the name"),
    ],
)
def test_a_remark_of_flake8_comes_with_what_to_do(verdict: Verdict, line: str, cure: str) -> None:
    assert cure in verdict(function(line))[0].remedy


def test_a_file_that_nests_deeply_gets_a_verdict(verdict: Verdict) -> None:
    branches = "".join(
        f"    elif params['speed'] == {k}.5:\n        return {k}.0\n" for k in range(900)
    )
    text = (
        "def reward_function(params):\n    if params['speed'] == 0.0:\n"
        f"        return 0.5\n{branches}    return 1.0\n"
    )
    assert codes(verdict(text)) in ([], ["RW412"])
