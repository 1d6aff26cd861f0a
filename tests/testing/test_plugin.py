"""The pytest plugin, as a user meets it: files of tests run by pytest in a folder of their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import racer.cli.tracks
import racer.diagnostics

# what tests in this process use is loaded before pytester looks: it unloads all else
import racer.testing.recorded
import racer.testing.subject

pytest_plugins = ["pytester"]

SRC = Path(racer.__file__).resolve().parents[1]
LOADED = (
    []
    if any(e.name == "racer" for e in entry_points(group="pytest11"))
    else ["-p", "racer.testing.pytest_plugin"]
)
CENTER = """
def reward_function(params):
    d = params["distance_from_center"] / params["track_width"]
    return max(1e-3, 1.0 - 2.0 * d) * params["speed"]
"""
INI = "[pytest]\nracer_track = oval\n"

Run = Callable[..., pytest.RunResult]


@pytest.fixture(scope="module", autouse=True)
def _all_is_loaded() -> None:
    """Whatever is imported, or compiled, at its first use: pytester unloads what its runs import,
    and numba minds.
    """
    from racer.testing import Reward, lap
    from racer.testing.messages import as_track, placed

    reward = Reward("center_line", "oval")
    reward.never_raises(examples=5)
    placed("oval", objects=[(0.1, 1)])
    assert lap("fast", as_track("oval")).lap_time < 20.0
    assert isinstance(
        racer.testing.subject.describe_disagreement(reward._reward, as_track("oval"), 0.99, "v6"),
        str,
    )


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A function: what pytest says of a test file, beside a reward.py."""
    monkeypatch.setenv("RACER_HOME", str(pytester.path / "home"))

    def run(test: str, *words: str, reward: str = CENTER, ini: str = INI) -> pytest.RunResult:
        pytester.makefile(".ini", pytest=ini)
        pytester.path.joinpath("reward.py").write_text(reward, "utf-8")
        pytester.makepyfile(test_it=test)
        return pytester.runpytest(*LOADED, "-p", "no:cacheprovider", *words)

    return run


def failure(result: pytest.RunResult) -> str:
    """What the failed assertion says, without pytest's `E   `."""
    lines = "\n".join(line[1:] for line in result.outlines if line.startswith("E  "))
    return textwrap.dedent(lines).removeprefix("AssertionError: ")


# ---- fixtures
# --------------------------------------------------------------------------------------------------------


def test_reward_is_the_file_beside_the_test_and_can_be_called(run: Run) -> None:
    result = run("def test_it(reward, at):\n    assert reward(at(waypoint=0, speed=2.0)) == 2.0\n")
    result.assert_outcomes(passed=1)


def test_reward_has_a_fresh_instance_for_each_call_and_one_for_a_lap(run: Run) -> None:
    result = run(
        """
        def test_it(reward, at):
            assert [reward(at(waypoint=k)) for k in range(3)] == [1.0, 1.0, 1.0]
            assert reward.prices([at(waypoint=k) for k in range(3)]) == [1.0, 2.0, 3.0]
        """,
        reward="n = 0\ndef reward_function(params):\n    global n\n    n += 1\n    return n\n",
    )
    result.assert_outcomes(passed=1)


def test_reward_cannot_change_the_params_of_a_test(run: Run) -> None:
    result = run(
        """
        def test_it(reward, at):
            here = at(waypoint=0)
            assert reward(here) == reward(here) == 1.0
            assert "gone" not in here and here["speed"] == 1.0
        """,
        reward="def reward_function(params):\n    params['speed'] -= 1\n    params['gone'] = 1\n    return 1.0\n",
    )
    result.assert_outcomes(passed=1)


def test_a_reward_that_raises_fails_the_test_with_its_line(run: Run) -> None:
    result = run(
        "def test_it(reward, at):\n    reward(at())\n",
        reward="def reward_function(params):\n    return 1 / 0\n",
    )
    result.assert_outcomes(failed=1)
    assert "reward.py:2: the reward function raised ZeroDivisionError: division by zero" in failure(
        result
    )
    assert failure(result).endswith("(in at())")
    assert "subject.py" not in result.stdout.str()


def test_a_test_without_a_reward_file_says_what_to_do(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(reward): pass")
    result = pytester.runpytest(*LOADED)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["which reward function is tested? There is no reward.py or reward_function.py in *"]
    )
    assert "Traceback" not in result.stdout.str()
    assert "pytest_plugin.py" not in result.stdout.str()


def test_a_reward_file_that_cannot_be_parsed_is_one_sentence(run: Run) -> None:
    result = run(
        "def test_it(reward): pass\n", reward="def reward_function(params)\n    return 1\n"
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*reward.py:1:28: expected ':', at `def reward_function(params)`"])
    assert "pytest_plugin.py" not in result.stdout.str()


def test_at_places_a_car_with_all_its_arguments(run: Run) -> None:
    result = run(
        """
        def test_it(at):
            here = at(waypoint=5, offset=-0.1, heading_deg=10, speed=2.5, steering_deg=-15, steps=7, progress=33.0)
            assert abs(here["distance_from_center"] - 0.1) < 1e-9 and not here["is_left_of_center"]
            assert (here["speed"], here["steering_angle"], here["steps"], here["progress"]) == (2.5, -15.0, 7.0, 33.0)
            assert abs(at(distance=3.0)["projection_distance"] - 3.0) < 1e-9
            assert at(waypoint=5, reverse=True)["is_reversed"]
            assert at(track="vegas")["track_length"] != here["track_length"]
            assert len(at(objects=[(0.1, -1), (0.5, 1)])["objects_location"]) == 2
            assert repr(at(waypoint=5, offset=-0.1)) == "at(waypoint=5, offset=-0.1)"
            assert type(dict(here)) is dict and isinstance(here, dict)
        """
    )
    result.assert_outcomes(passed=1)


def test_a_place_that_cannot_be_is_one_sentence(run: Run) -> None:
    result = run("def test_it(at):\n    at(waypoint=1, distance=2.0)\n")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["a car is placed at a waypoint or at a distance, not at both"])


def test_lap_is_driven_by_a_scripted_driver(run: Run) -> None:
    result = run(
        """
        def test_it(lap, reward):
            fast, slow = lap("fast"), lap("slow", car="v5")
            assert fast.lap_time < slow.lap_time and len(fast) < len(slow)
            assert fast.params[0]["steps"] == 2.0 and fast.params[-1]["progress"] == 100
            assert len(reward.prices(fast)) == len(fast)
            assert lap("leaving").completion < 50
            assert lap("fast", track="vegas").track == "vegas" and lap("fast", reverse=True).params[0]["is_reversed"]
        """
    )
    result.assert_outcomes(passed=1)


def test_an_unknown_driver_is_one_sentence(run: Run) -> None:
    result = run("def test_it(lap):\n    lap('weavin')\n")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["unknown driver 'weavin': did you mean 'weaving'?*"])


def test_track_is_the_track_of_the_tests(run: Run) -> None:
    result = run(
        "def test_it(track, at):\n    assert track.name == 'oval' and at()['track_length'] == track.length\n"
    )
    result.assert_outcomes(passed=1)


def test_a_track_fixture_of_the_users_own_is_taken(run: Run) -> None:
    result = run(
        """
        import pytest

        @pytest.fixture(scope="module", params=["vegas", "bowtie"])
        def track(request):
            return request.param

        def test_it(reward, lap, at):
            assert lap("fast").track == reward.track
            assert reward(at(waypoint=0)) == 1.0
        """
    )
    result.assert_outcomes(passed=2)


def test_a_snapshot_is_written_on_request_and_compared_afterwards(
    run: Run, pytester: pytest.Pytester
) -> None:
    test = """
        def test_it(reward_snapshot, lap, at):
            reward_snapshot(lap("fast"))
            reward_snapshot(at(waypoint=3, offset=0.1), name="aside")
    """
    first = run(test)
    first.assert_outcomes(failed=1)
    assert failure(first) == (
        "there is no snapshot snapshots/test_it/test_it.json yet: pytest --reward-update writes it"
    )
    run(test, "--reward-update").assert_outcomes(passed=1)
    folder = pytester.path / "snapshots" / "test_it"
    assert sorted(path.name for path in folder.iterdir()) == ["test_it-aside.json", "test_it.json"]
    run(test).assert_outcomes(passed=1)
    changed = run(test, reward=CENTER.replace("1e-3", "0.95"))
    changed.assert_outcomes(failed=1)
    said = failure(changed)
    assert said.startswith(
        "reward.py no longer pays what snapshots/test_it/test_it.json says, for "
    )
    assert " is paid " in said
    assert "\n  steps: " in said
    assert said.endswith("if that is meant: pytest --reward-update")
    run(test, "--reward-update", reward=CENTER.replace("1e-3", "0.95")).assert_outcomes(passed=1)
    run(test, reward=CENTER.replace("1e-3", "0.95")).assert_outcomes(passed=1)


def test_a_snapshot_of_something_else_is_told(run: Run) -> None:
    run("def test_it(reward_snapshot, lap):\n    reward_snapshot(lap('fast'))\n", "--reward-update")
    said = failure(run("def test_it(reward_snapshot, at):\n    reward_snapshot(at(waypoint=1))\n"))
    assert said.startswith("the snapshot snapshots/test_it/test_it.json is of fast on oval (")
    assert "not of at(waypoint=1) (1 steps): pytest --reward-update writes it anew" in said


def test_a_broken_snapshot_is_told(run: Run, pytester: pytest.Pytester) -> None:
    test = "def test_it(reward_snapshot, at):\n    reward_snapshot(at())\n"
    run(test, "--reward-update")
    (pytester.path / "snapshots" / "test_it" / "test_it.json").write_text("{]", "utf-8")
    result = run(test)
    result.stdout.fnmatch_lines(
        ["*test_it.json is no snapshot of rewards (*): delete it, then pytest --reward-update"]
    )


# ---- options
# ---------------------------------------------------------------------------------------------------------


def test_the_option_names_the_file_or_a_shipped_reward(run: Run, pytester: pytest.Pytester) -> None:
    (pytester.path / "other.py").write_text(
        "def reward_function(params):\n    return 7.0\n", "utf-8"
    )
    test = "def test_it(reward, at):\n    assert (reward.name, reward(at())) == {}\n"
    run(test.format(("other.py", 7.0)), "--reward", "other.py").assert_outcomes(passed=1)
    result = run(test.format(("center_line.py", 1.0)), "--reward=center_line")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["reward: center_line"])


def test_the_ini_option_is_relative_to_the_ini_file(run: Run, pytester: pytest.Pytester) -> None:
    (pytester.mkdir("src") / "mine.py").write_text(
        "def reward_function(params):\n    return 7.0\n", "utf-8"
    )
    folder = pytester.mkdir("tests")
    test = "def test_it(reward, at):\n    assert reward(at()) == 7.0\n"
    (folder / "test_deep.py").write_text(test, "utf-8")
    os.chdir(folder)
    result = run(test, ini=INI + "racer_reward = src/mine.py\n")
    result.assert_outcomes(passed=1)


def test_the_option_goes_before_the_ini_option(run: Run) -> None:
    test = "def test_it(reward):\n    assert reward.name == 'center_line.py'\n"
    run(test, "--reward=center_line", ini=INI + "racer_reward = reward.py\n").assert_outcomes(
        passed=1
    )


def test_a_file_that_is_not_there_is_one_sentence(run: Run) -> None:
    result = run("def test_it(reward): pass\n", "--reward=rewrd.py")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["no reward file 'rewrd.py': did you mean 'reward.py'?"])


def test_the_track_option_goes_before_the_ini_option(run: Run) -> None:
    run(
        "def test_it(track):\n    assert track.name == 'vegas'\n", "--reward-track=vegas"
    ).assert_outcomes(passed=1)
    result = run("def test_it(track): pass\n", "--reward-track=vegass")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["unknown track 'vegass': did you mean 'vegas'?*"])


def test_without_options_the_track_is_reinvent_2018(run: Run) -> None:
    run(
        "def test_it(track):\n    assert track.name == 'reinvent_2018'\n", ini="[pytest]\n"
    ).assert_outcomes(passed=1)


# ---- assertions
# ------------------------------------------------------------------------------------------------------


def test_prefers_compares_two_places(run: Run) -> None:
    result = run(
        """
        def test_holds(reward, at):
            assert reward.prefers(at(waypoint=3), over=at(waypoint=3, offset=0.2))
            assert reward.prefers(at(waypoint=3, speed=2.0), over=at(waypoint=3, speed=1.0), by=0.9)

        def test_fails(reward, at):
            reward.prefers(at(waypoint=3, offset=0.2), over=at(waypoint=3))
        """
    )
    result.assert_outcomes(passed=1, failed=1)
    lines = failure(result).splitlines()
    assert lines[0] == "reward.py does not prefer the first:"
    assert lines[1].startswith("  at(waypoint=3, offset=0.2) is paid 0.")
    assert lines[2] == "  at(waypoint=3) is paid 1"
    assert lines[3] == "with the params (of the first | of the second, where they differ)"
    assert "  distance_from_center: 0.2 | 0" in lines
    assert "  is_left_of_center: true | false" in lines
    assert "  speed: 1" in lines
    assert any(line.startswith("  waypoints: ") and line.endswith(" points") for line in lines)


def test_prefers_compares_two_laps(run: Run) -> None:
    result = run(
        """
        def test_holds(reward, lap):
            assert reward.prefers(lap("fast"), over=lap("leaving"))

        def test_fails(reward, lap):
            assert reward.prefers(lap("fast"), over=lap("slow"), gamma=0.999)
        """,
        reward="def reward_function(params):\n    return 1.0\n",
    )
    result.assert_outcomes(passed=1, failed=1)
    lines = failure(result).splitlines()
    assert lines[0] == "reward.py does not prefer the first at gamma 0.999:"
    assert lines[1].startswith("  the fast center-line lap of ")
    assert " s on oval is paid " in lines[1]
    assert lines[2].startswith("  the crawling lap of ")
    assert len(lines) == 3


def test_a_lap_is_not_compared_with_a_place(run: Run) -> None:
    result = run("def test_it(reward, lap, at):\n    reward.prefers(lap('fast'), over=at())\n")
    assert "a lap is compared with a lap, and params are compared with params" in failure(result)


@pytest.mark.slow
def test_never_raises_shows_the_smallest_place_that_does(run: Run) -> None:
    test = "def test_it(reward):\n    assert reward.never_raises()\n"
    run(test).assert_outcomes(passed=1)
    crash = "def reward_function(params):\n    return 1.0 / (30.0 - min(abs(params['steering_angle']), 30.0))\n"
    result = run(test, reward=crash)
    result.assert_outcomes(failed=1)
    lines = failure(result).splitlines()
    assert lines[0] == "reward.py stops the job on oval, the smallest example being"
    assert lines[1] in ("  at(waypoint=0, steering_deg=30)", "  at(waypoint=0, steering_deg=-30)")
    assert (
        "reward.py:2: the reward function raised ZeroDivisionError: float division by zero, at "
        in lines[2]
    )
    assert lines[3] == "with the params"
    assert "  steps: 2" in lines


@pytest.mark.slow
@pytest.mark.parametrize("value", ["None", "float('nan')", "1e6", "'many'"])
def test_never_raises_finds_what_is_no_reward(run: Run, value: str) -> None:
    reward = f"def reward_function(params):\n    return {value} if params['is_reversed'] else 1.0\n"
    said = failure(
        run("def test_it(reward):\n    reward.never_raises(examples=50)\n", reward=reward)
    )
    assert "  at(waypoint=0, reverse=True)" in said.splitlines()
    assert "the reward function returned" in said


def test_increases_with_shows_the_smallest_pair(run: Run) -> None:
    test = "def test_it(reward):\n    assert reward.increases_with('speed', examples=60)\n"
    run(test).assert_outcomes(passed=1)
    result = run(
        test,
        reward="def reward_function(params):\n    return min(params['speed'], 4.0 - params['speed'])\n",
    )
    result.assert_outcomes(failed=1)
    lines = failure(result).splitlines()
    assert lines[0] == "reward.py pays less for more speed on oval, the smallest example being"
    assert lines[1].startswith("  at(waypoint=0, speed=")
    assert lines[2].startswith("  at(waypoint=0, speed=")
    assert any(line.startswith("  speed: ") and " | " in line for line in lines)


def test_an_assertion_that_meets_a_refusal_shows_where_and_no_inside(run: Run) -> None:
    reward = "def reward_function(params):\n    return 1 / (params['speed'] > 2)\n"
    for what in ("increases_with('speed', examples=30)", "mirror_invariant(examples=30)"):
        result = run(f"def test_it(reward):\n    reward.{what}\n", reward=reward)
        assert (
            "ZeroDivisionError: division by zero, at `return 1 / (params['speed'] > 2)` (in at("
            in failure(result)
        )
        assert "subject.py" not in result.stdout.str()


def test_increases_with_tells_what_makes_no_difference(run: Run) -> None:
    result = run("def test_it(reward):\n    reward.increases_with('progress', examples=30)\n")
    assert (
        failure(result)
        == "reward.py pays the same whatever progress is: 30 pairs of places on oval were tried"
    )


@pytest.mark.slow
def test_increases_strictly_forbids_a_plateau(run: Run) -> None:
    reward = "def reward_function(params):\n    return min(params['speed'], 2.0)\n"
    test = "def test_it(reward):\n    reward.increases_with('speed', between=(1.0, 3.0), examples=60{})\n"
    run(test.format(""), reward=reward).assert_outcomes(passed=1)
    said = failure(run(test.format(", strictly=True"), reward=reward))
    assert said.startswith(
        "reward.py pays the same for more speed on oval, the smallest example being"
    )


def test_an_argument_that_is_not_there_is_told(run: Run) -> None:
    said = failure(run("def test_it(reward):\n    reward.increases_with('sped')\n"))
    assert "there is no argument 'sped' to vary: did you mean 'speed'?" in said


def test_decreases_with_is_its_opposite(run: Run) -> None:
    result = run(
        """
        def test_holds(reward):
            assert reward.decreases_with("offset", between=(0.0, 0.3), heading_deg=0, examples=60)

        def test_fails(reward):
            assert reward.decreases_with("speed", examples=60)
        """
    )
    result.assert_outcomes(passed=1, failed=1)
    assert failure(result).startswith(
        "reward.py pays more for more speed on oval, the smallest example being"
    )


def test_mirror_invariant_shows_a_place_and_its_image(run: Run) -> None:
    test = "def test_it(reward):\n    assert reward.mirror_invariant(examples=60)\n"
    run(test).assert_outcomes(passed=1)
    left = "def reward_function(params):\n    return 2.0 if params['is_left_of_center'] else 1.0\n"
    result = run(test, reward=left)
    result.assert_outcomes(failed=1)
    lines = failure(result).splitlines()
    assert (
        lines[0]
        == "reward.py pays a place and its mirror image differently, the smallest example being"
    )
    assert lines[1] == "  at(waypoint=0, offset=0.01) on oval is paid 2"
    assert lines[2] == "  at(waypoint=0, offset=-0.01) on its mirror image is paid 1"


@pytest.mark.slow
def test_what_a_reward_asks_for_is_asserted_and_said_where_it_fails(run: Run) -> None:
    tests = """
    def test_laps(reward):
        assert reward.asks_for(lap_time_below=12.0)

    def test_ways(reward):
        assert reward.never_asks_for("crawling", "slow lap", "weaving", "parking")
    """
    fast = "def reward_function(params):\n    return params['speed'] ** 3\n"
    run(textwrap.dedent(tests), reward=fast).assert_outcomes(passed=2)
    crawls = "def reward_function(params):\n    return 1.0\n"
    result = run(textwrap.dedent(tests), reward=crawls)
    result.assert_outcomes(failed=2)
    text = "\n".join(result.outlines)
    assert "reward.py does not ask for laps below 12 s on oval:" in text
    assert re.search(r"reward\.py asks for (crawling|slow lap|weaving|parking) on oval:", text)
    assert "at gamma 0.99 reward is best paid by" in text


def test_a_kind_that_is_none_is_wrong_use(run: Run) -> None:
    result = run(
        "def test_it(reward):\n    assert reward.never_asks_for('stoping')\n",
        reward="def reward_function(params):\n    return 1.0\n",
    )
    result.assert_outcomes(failed=1)
    assert "there is no kind of driving 'stoping': did you mean 'stopping'" in failure(result)


def test_agrees_with_clock_lists_what_is_paid_the_wrong_way_round(run: Run) -> None:
    test = "def test_it(reward):\n    assert reward.agrees_with_clock({})\n"
    gain = """
    before = 0.0
    def reward_function(params):
        global before
        gained = params["progress"] - before if params["steps"] > 2 else 0.0
        before = params["progress"]
        return gained - 0.1
    """
    run(test.format(""), reward=textwrap.dedent(gain)).assert_outcomes(passed=1)
    result = run(
        test.format("gamma=0.999"), reward="def reward_function(params):\n    return 1.0\n"
    )
    result.assert_outcomes(failed=1)
    lines = failure(result).splitlines()
    assert lines[0].startswith(
        "reward.py does not agree with the clock on oval: at gamma 0.999 it asks for"
    )
    assert lines[1].startswith("  at gamma 0.999 you pay a crawling lap of ")
    assert lines[6] == "by the clock | by pay | driver"
    assert len(lines) == 7 + 14


# ---- strategies
# ------------------------------------------------------------------------------------------------------


def test_strategies_work_with_the_fixtures_and_print_as_calls(run: Run) -> None:
    result = run(
        """
        from hypothesis import Phase, given, settings
        from racer.testing import laps, params

        @settings(max_examples=30, database=None, derandomize=True)
        @given(params(track="oval", speed=1.0))
        def test_places(reward, p):
            assert reward(p) <= 1.0

        @settings(max_examples=10, database=None, derandomize=True, deadline=None)
        @given(laps(track="oval", drivers=["fast", "leaving"]))
        def test_laps(reward, l):
            assert reward.total(l) > 0

        @settings(max_examples=100, database=None, derandomize=True, phases=[Phase.generate, Phase.shrink])
        @given(params(track="oval"))
        def test_fails(reward, p):
            assert reward(p) > 0.5
        """
    )
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*p = at(waypoint=0, speed=0.5)"])


# ---- installation
# ----------------------------------------------------------------------------------------------------


def test_it_is_active_once_racer_is_installed_and_loads_nothing_heavy(tmp_path: Path) -> None:
    """An installation is imitated by the entry points of pyproject.toml in a folder on the path."""
    import tomllib

    points = tomllib.loads((SRC.parent / "pyproject.toml").read_text("utf-8"))["project"][
        "entry-points"
    ]["pytest11"]
    info = tmp_path / "site" / "racer-9.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: racer\nVersion: 9\n", "utf-8")
    (info / "entry_points.txt").write_text(
        "[pytest11]\n" + "\n".join(f"{name} = {place}" for name, place in points.items()), "utf-8"
    )
    (tmp_path / "test_it.py").write_text(
        "import sys\n\n"
        "def test_light(pytestconfig):\n"
        "    assert pytestconfig.pluginmanager.has_plugin('racer')\n"
        "    assert not {'numba', 'pandas', 'torch', 'matplotlib', 'numpy', 'typer'} & set(sys.modules)\n",
        "utf-8",
    )
    path = os.pathsep.join([str(tmp_path / "site"), str(SRC)])
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:hypothesispytest",
        "-p",
        "no:xdist",
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run(
        [*command, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": path},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("option", ["--reward=FILE", "--reward-track=TRACK", "--reward-update"])
def test_help_names_the_options(pytester: pytest.Pytester, option: str) -> None:
    pytester.runpytest(*LOADED, "--help").stdout.fnmatch_lines([f"*{option}*"])
