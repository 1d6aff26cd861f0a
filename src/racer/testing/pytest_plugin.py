"""The pytest plugin: fixtures for tests of reward functions, active wherever racer is installed.

Loading it costs nothing: what drives and prices is imported when a fixture is used.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

if TYPE_CHECKING:
    from racer.testing import DrivenLap, PlacedParams, Reward
    from racer.track.track import Track

NAMES = ("reward.py", "reward_function.py")  # looked for beside the tests, then at the root
DEFAULT_TRACK = "reinvent_2018"
Found = TypeVar("Found")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--reward`, `--reward-track`, `--reward-update`, and the ini options of the first two."""
    group = parser.getgroup("racer", "reward functions (racer)")
    group.addoption(
        "--reward", metavar="FILE", help="the reward function under test (ini: racer_reward)"
    )
    group.addoption(
        "--reward-track", metavar="TRACK", help="the track it is tested on (ini: racer_track)"
    )
    group.addoption("--reward-update", action="store_true", help="write snapshots of rewards anew")
    parser.addini("racer_reward", "the reward function under test, relative to this file")
    parser.addini("racer_track", f"the track it is tested on, a name or a file ({DEFAULT_TRACK})")


def pytest_report_header(config: pytest.Config) -> str | None:
    """The reward under test, when it is named."""
    named = config.getoption("--reward") or config.getini("racer_reward")
    return f"reward: {named}" if named else None


@pytest.fixture(scope="module")
def track(request: pytest.FixtureRequest) -> Track:
    """The track of the tests: `--reward-track`, the ini option `racer_track`, or reinvent_2018."""
    return _told(lambda: _track_of(request.config))


@pytest.fixture(scope="module")
def reward(request: pytest.FixtureRequest, track: Any) -> Reward:
    """The reward function under test: `--reward`, the ini option `racer_reward`, or reward.py
    beside the test.

    Call it with params, or assert something: `reward.prefers(this, over=that)`,
    `reward.never_raises()`, ...
    """
    from racer.testing import Reward

    return _told(lambda: Reward(_file_of(request.config, request.path.parent), track))


@pytest.fixture(scope="module")
def at(track: Any) -> Callable[..., PlacedParams]:
    """A function: the params of a car placed on the track, as `at(waypoint=12, offset=0.2,
    heading_deg=-10)`.

    Its arguments are those of `racer.sim.placement.place`; `track=` names another track, `objects=`
    lists (share of lap, lane).
    """
    from racer.testing import placed

    def place(**arguments: Any) -> PlacedParams:
        return _told(lambda: placed(arguments.pop("track", track), **arguments))

    return place


@pytest.fixture(scope="module")
def lap(track: Any) -> Callable[..., DrivenLap]:
    """A function: the lap of a scripted driver, as `lap("weaving")` or `lap("fast", car="v5",
    reverse=True)`.
    """
    from racer.testing.placed import as_track
    from racer.testing.placed import lap as driven

    def drive(
        driver: str, *, track: Any = track, car: str = "v6", reverse: bool = False
    ) -> DrivenLap:
        return _told(lambda: driven(driver, as_track(track), car, reverse))

    return drive


@pytest.fixture
def reward_snapshot(request: pytest.FixtureRequest, reward: Reward) -> Callable[..., None]:
    """A function: that the reward still pays what it paid when the snapshot was written
    (`--reward-update`).

    It takes a lap, params or a list of params, and a name where a test compares several times.
    """
    from racer.testing import recorded

    count = iter(range(1, 1_000_000))

    def compare(steps: Any, name: str = "") -> None:
        __tracebackhide__ = True
        number = next(count)
        word = name or (str(number) if number > 1 else "")
        path = _snapshot(request, word)
        update = request.config.getoption("--reward-update")
        _told(lambda: recorded.compare_snapshot(reward, steps, path, update=update))

    return compare


def _told(work: Callable[[], Found]) -> Found:
    """What the work gives; what a user can mend fails the test with its sentence and no traceback."""
    __tracebackhide__ = True
    from racer.errors import RacerError

    try:
        return work()
    except RacerError as error:
        sentence = str(error)
    pytest.fail(sentence, pytrace=False)


def _file_of(config: pytest.Config, folder: Path) -> Path:
    """The file under test."""
    from racer.errors import UsageError
    from racer.reward import find_reward

    named, ini = config.getoption("--reward"), str(config.getini("racer_reward"))
    if named:
        beside = config.invocation_params.dir / named
        return find_reward(beside) if beside.exists() else find_reward(named)
    if ini:
        beside = (config.inipath.parent if config.inipath else config.rootpath) / ini
        return find_reward(beside) if beside.exists() else find_reward(ini)
    for place in dict.fromkeys((folder, config.rootpath)):
        for name in NAMES:
            if (place / name).is_file():
                return place / name
    raise UsageError(
        f"which reward function is tested? There is no {' or '.join(NAMES)} in {folder}: "
        "name it with --reward FILE, or with racer_reward = FILE in pytest's configuration"
    )


def _track_of(config: pytest.Config) -> Track:
    """The track of the tests, by name or file."""
    from racer.cli.tracks import data_folder
    from racer.track import library

    named, ini = config.getoption("--reward-track"), str(config.getini("racer_track"))
    if ini and not named:
        beside = (config.inipath.parent if config.inipath else config.rootpath) / ini
        named = str(beside) if beside.is_file() else ini
    return library.open_entry(library.find_track(named or DEFAULT_TRACK, home=data_folder()))


def _snapshot(request: pytest.FixtureRequest, word: str) -> Path:
    """`snapshots/<test file>/<test>.json` beside the test file."""
    test = request.node.name if not word else f"{request.node.name}-{word}"
    safe = "".join(c if c.isalnum() or c in "._-" else "_" for c in test)
    return Path(request.path).parent / "snapshots" / Path(request.path).stem / f"{safe}.json"
