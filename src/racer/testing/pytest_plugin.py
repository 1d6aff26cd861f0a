"""The pytest plugin: fixtures for tests of reward functions, active wherever racer is installed.

Loading it costs nothing: what drives and prices is imported when a fixture is used.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

if TYPE_CHECKING:
    from racer.testing import DrivenLap, PlacedParams, Reward
    from racer.track import Track

REWARD_FILES = ("reward.py", "reward_function.py")  # looked for beside the tests, then at the root
Result = TypeVar("Result")


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
    parser.addini("racer_track", "the track it is tested on, a name or a file (reinvent_2018)")


def pytest_report_header(config: pytest.Config) -> str | None:
    """The reward under test, when it is named."""
    reward = config.getoption("--reward") or config.getini("racer_reward")
    return f"reward: {reward}" if reward else None


@pytest.fixture(name="track", scope="module")
def track_fixture(request: pytest.FixtureRequest) -> Track:
    """The track of the tests: `--reward-track`, the ini option `racer_track`, or reinvent_2018."""
    return _or_fail(lambda: _configured_track(request.config))


@pytest.fixture(name="reward", scope="module")
def reward_fixture(request: pytest.FixtureRequest, track: Any) -> Reward:
    """The reward function under test: `--reward`, the ini option `racer_reward`, or reward.py
    beside the test.

    Call it with params, or assert something: `reward.prefers(this, over=that)`,
    `reward.never_raises()`, ...
    """
    from racer.testing import Reward

    return _or_fail(lambda: Reward(_reward_file(request.config, request.path.parent), track))


@pytest.fixture(name="at", scope="module")
def at_fixture(track: Any) -> Callable[..., PlacedParams]:
    """A function: the params of a car placed on the track, as `at(waypoint=12, offset=0.2,
    heading_deg=-10)`.

    Its arguments are those of `racer.sim.params.place`; `track=` names another track, `objects=`
    lists boxes as (fraction of the lap, lane).
    """
    from racer.testing import placed

    def at(*, track: Any = track, **arguments: Any) -> PlacedParams:
        return _or_fail(lambda: placed(track, **arguments))

    return at


@pytest.fixture(name="lap", scope="module")
def lap_fixture(track: Any) -> Callable[..., DrivenLap]:
    """A function: the lap of a scripted driver, as `lap("weaving")` or `lap("fast", car="v5",
    reverse=True)`.
    """
    from racer.testing.messages import as_track
    from racer.testing.messages import lap as drive_lap
    from racer.vehicle import DEFAULT_CAR

    def lap(
        driver: str, *, track: Any = track, car: str = DEFAULT_CAR, reverse: bool = False
    ) -> DrivenLap:
        return _or_fail(lambda: drive_lap(driver, as_track(track), car, reverse))

    return lap


@pytest.fixture
def reward_snapshot(request: pytest.FixtureRequest, reward: Reward) -> Callable[..., None]:
    """A function: that the reward still pays what it paid when the snapshot was written
    (`--reward-update`).

    It takes a lap, params or a list of params, and a name where a test compares several times.
    """
    from racer.testing.recorded import compare_snapshot

    numbers = count(1)
    update = request.config.getoption("--reward-update")

    def compare(steps: Any, name: str = "") -> None:
        __tracebackhide__ = True
        number = next(numbers)
        suffix = name
        if not name and number > 1:
            suffix = str(number)
        path = _snapshot_path(request, suffix)
        _or_fail(lambda: compare_snapshot(reward, steps, path, update=update))

    return compare


def _or_fail(work: Callable[[], Result]) -> Result:
    """What `work` returns; what a user can mend fails the test with its sentence and no traceback."""
    __tracebackhide__ = True
    from racer.errors import RacerError

    try:
        return work()
    except RacerError as error:
        sentence = str(error)
    pytest.fail(sentence, pytrace=False)


def _reward_file(config: pytest.Config, folder: Path) -> Path:
    """The file under test: as the option or the configuration says, else beside the tests."""
    from racer.errors import UsageError
    from racer.reward import find_reward

    option = config.getoption("--reward")
    if option:
        return find_reward(_existing(config.invocation_params.dir, option))
    ini = str(config.getini("racer_reward"))
    if ini:
        return find_reward(_existing(_ini_folder(config), ini))
    for place in (folder, config.rootpath):
        for name in REWARD_FILES:
            if (place / name).is_file():
                return place / name
    raise UsageError(
        f"which reward function is tested? There is no {' or '.join(REWARD_FILES)} in {folder}: "
        "name it with --reward FILE, or with racer_reward = FILE in pytest's configuration"
    )


def _configured_track(config: pytest.Config) -> Track:
    """The track of the tests, by name or file."""
    from racer.track import DEFAULT_TRACK, find_track, open_entry

    track = config.getoption("--reward-track")
    if not track:
        ini = str(config.getini("racer_track")) or DEFAULT_TRACK
        track = _existing(_ini_folder(config), ini)
    return open_entry(find_track(track))


def _ini_folder(config: pytest.Config) -> Path:
    if config.inipath is None:
        return config.rootpath
    return config.inipath.parent


def _existing(folder: Path, name: str) -> str | Path:
    """The file of that name in the folder, or else the name: that of something that ships."""
    path = folder / name
    return path if path.is_file() else name


def _snapshot_path(request: pytest.FixtureRequest, suffix: str) -> Path:
    """`snapshots/<test file>/<test>.json` beside the test file."""
    test = f"{request.node.name}-{suffix}" if suffix else request.node.name
    safe = "".join(char if char.isalnum() or char in "._-" else "_" for char in test)
    return Path(request.path).parent / "snapshots" / Path(request.path).stem / f"{safe}.json"
