"""`model_metadata.json` of every version."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from racer.errors import UsageError
from racer.vehicle.action_space import ActionSpace
from racer.vehicle.car import CARS
from racer.vehicle.metadata import (
    Metadata,
    car_generation,
    metadata_as_json,
    parse_metadata,
    read_metadata,
    write_metadata,
)

DISCRETE = {
    "action_space": [
        {"steering_angle": -30, "speed": 0.6, "index": 7},
        {"steering_angle": 15, "speed": 1},
    ]
}
CONTINUOUS = {
    "action_space": {"steering_angle": {"low": -30, "high": 30}, "speed": {"low": 1, "high": 3}},
    "action_space_type": "continuous",
}

finite = st.floats(-1e3, 1e3, allow_nan=False)
ranges = st.tuples(finite, finite).filter(lambda pair: pair[0] < pair[1])
choices = st.lists(st.tuples(finite, finite), min_size=1, max_size=30)
spaces = st.one_of(
    st.builds(lambda a, b: ActionSpace(True, a, b), ranges, ranges),
    choices.map(lambda rows: ActionSpace(False, *map(tuple, zip(*rows, strict=True)))),
)


@given(spaces)
def test_round_trip_through_the_file_keeps_the_space(space):
    assert (
        parse_metadata(json.loads(json.dumps(metadata_as_json(Metadata(space)))), "m").action_space
        == space
    )


def test_written_file_reads_back_whole(tmp_path):
    metadata = parse_metadata(
        {**CONTINUOUS, "version": "6", "sensor": ["STEREO_CAMERAS", "LIDAR"], "team": "x"}, "m"
    )
    write_metadata(metadata, tmp_path / "model_metadata.json")
    assert read_metadata(tmp_path / "model_metadata.json") == metadata
    assert [p.name for p in tmp_path.iterdir()] == ["model_metadata.json"]


@pytest.mark.parametrize(
    ("more", "version", "sensor"),
    [
        ({}, 1.0, ("observation",)),
        ({"sensor": ["LEFT_CAMERA"]}, 2.0, ("LEFT_CAMERA",)),
        ({"sensor": ["LEFT_CAMERA"], "version": 1}, 1.0, ("observation",)),
        (
            {"version": "4.0", "sensor": ["SECTOR_LIDAR", "FRONT_FACING_CAMERA"]},
            4.0,
            ("SECTOR_LIDAR", "FRONT_FACING_CAMERA"),
        ),
    ],
)
def test_version_and_sensor_defaults_follow_the_simulator(more, version, sensor):
    metadata = parse_metadata({**DISCRETE, **more}, "m")
    assert (metadata.version, metadata.sensor) == (version, sensor)
    assert (metadata.training_algorithm, metadata.lidar_config["num_sectors"]) == ("clipped_ppo", 8)


@pytest.mark.parametrize(
    ("version", "car"),
    [(1, "v4"), (2, "v4"), (3, "v4"), (4, "v4"), (5, "v5"), (5.5, "v5"), (6, "v6"), (7, "v6")],
)
def test_each_version_drives_a_generation_of_the_car(version, car):
    assert car_generation(version) == car
    assert car in CARS


def test_versions_without_logs_say_that_v4_is_taken_instead():
    sheet = {**DISCRETE, "version": 2, "sensor": ["LEFT_CAMERA"]}
    assert "v4 is the nearest" in parse_metadata(sheet, "m").notes[0]


@pytest.mark.parametrize(
    ("sheet", "words"),
    [
        ([], "bare list"),
        (3, "expected an object"),
        ({}, "action_space is missing"),
        ({"action_spaces": []}, "did you mean 'action_spaces'"),
        ({"action_space": []}, "empty"),
        ({"action_space": [{"steering_angle": 1}]}, "action_space[0].speed is missing"),
        ({"action_space": [{"steering_angel": 1, "speed": 2}]}, "did you mean 'steering_angel'"),
        (
            {"action_space": [{"steering_angle": "left", "speed": 2}]},
            "action_space[0].steering_angle: input should be",
        ),
        ({"action_space": [{"steering_angle": float("nan"), "speed": 2}]}, "finite"),
        ({"action_space": [{"steering_angle": True, "speed": 2}]}, "not true"),
        ({"action_space": [None]}, "action_space[0]: "),
        ({"action_space": CONTINUOUS["action_space"]}, 'needs "action_space_type": "continuous"'),
        ({**DISCRETE, "action_space_type": "continuous"}, 'needs "action_space_type": "discrete"'),
        ({**DISCRETE, "action_space_type": "discreet"}, "did you mean 'discrete'"),
        (
            {**DISCRETE, "sensor": ["FRONT_CAMERA"]},
            "unknown sensor 'FRONT_CAMERA' (sensors: observation, FRONT_FACING_CAMERA",
        ),
        ({**DISCRETE, "sensor": ["LIDAR"]}, "one camera"),
        ({**DISCRETE, "sensor": ["LEFT_CAMERA", "STEREO_CAMERAS"]}, "one camera"),
        ({**DISCRETE, "training_algorithm": "ppo"}, "(algorithms: clipped_ppo, sac)"),
        ({**DISCRETE, "training_algorithm": "SAC"}, "sac needs a continuous"),
        ({**DISCRETE, "version": "five"}, "version: "),
        ({**DISCRETE, "lidar_config": {"num_sectors": 7}}, "must divide 64"),
    ],
)
def test_each_mistake_in_the_file_is_a_sentence(sheet, words):
    with pytest.raises(UsageError) as stop:
        parse_metadata(sheet, "m.json")
    assert str(stop.value).startswith("m.json: ")
    assert words in str(stop.value)


def test_low_must_be_less_than_high():
    sheet = {
        **CONTINUOUS,
        "action_space": {**CONTINUOUS["action_space"], "speed": {"low": 2, "high": 2}},
    }
    with pytest.raises(
        UsageError, match=r"action_space\.speed: low \(2\) must be less than high \(2\)"
    ):
        parse_metadata(sheet, "m.json")


def test_unknown_keys_pass_and_near_misses_are_told():
    metadata = parse_metadata(
        {**DISCRETE, "sensors": ["LIDAR"], "model": "mine", "version": 1}, "m"
    )
    assert metadata.extra == {"sensors": ["LIDAR"], "model": "mine"}
    assert metadata.notes[0] == "m: 'sensors' is not read: did you mean 'sensor'?"


def test_commands_beyond_the_car_are_told_but_kept():
    metadata = parse_metadata(
        {
            "action_space": [{"steering_angle": 45, "speed": "5"}],
            "sensor": ["LEFT_CAMERA"],
            "version": 5,
        },
        "m",
    )
    assert metadata.action_space.command_deg([0]).tolist() == [[45.0, 5.0]]
    assert len(metadata.notes) == 2


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe\x00", b"", b"[" * 100_000])
def test_files_that_are_not_json_get_a_sentence(tmp_path, content):
    (tmp_path / "m.json").write_bytes(content)
    with pytest.raises(UsageError, match=r"m\.json"):
        read_metadata(tmp_path / "m.json")


def test_missing_file_and_folder_get_a_sentence(tmp_path):
    (tmp_path / "model_metadata.json").write_text("{}")
    with pytest.raises(UsageError, match=r"did you mean 'model_metadata\.json'"):
        read_metadata(tmp_path / "model_metdata.json")
    with pytest.raises(UsageError, match="is a folder"):
        read_metadata(tmp_path)


@pytest.mark.parametrize("version", [2, "4", 5.0, "6"])
def test_since_version_2_metadata_without_a_sensor_is_refused(version):
    # docs/simulator.md 9.6
    with pytest.raises(
        UsageError, match=r'without `sensor`.*add "sensor": \["FRONT_FACING_CAMERA"'
    ):
        parse_metadata({**DISCRETE, "version": version}, "m")
