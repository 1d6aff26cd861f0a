"""The settings of a training that was set up elsewhere, gathered from all files that have some."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from racer.training.interop.bundle import Bundle, BundleFile
from racer.training.interop.drfc import ENV_KEYS, settings_from_env, settings_from_yaml
from racer.training.interop.run_env import parse_env

Setting = str | list[str]


@dataclass(frozen=True)
class JobSettings:
    """The simulator's settings of a job.

    `settings` are by the simulator's keys, `keys_of_names` has the simulator's key of every name that
    stands in a file, and `notes` are for the user.
    """

    settings: dict[str, Setting]
    keys_of_names: dict[str, str]
    notes: tuple[str, ...]

    def unread_names(self, read_keys: set[str]) -> tuple[str, ...]:
        """Names that stand in a file and whose key is none of `read_keys`."""
        names = [name for name, key in self.keys_of_names.items() if key not in read_keys]
        return tuple(sorted(names))


def gather_settings(bundle: Bundle) -> JobSettings:
    """The settings in the files of a bundle.

    What `run.env` says counts for more than the YAML file, and more than `system.env`. A file of
    another worker counts for nothing.
    """
    keys_of_names: dict[str, str] = {}
    variables: dict[str, str] = {}
    workers = []
    for file in _system_file_first(bundle.all_files("env")):
        file_variables = parse_env(file.text)
        for name in file_variables:
            keys_of_names[name] = ENV_KEYS.get(name, name.removeprefix("DR_"))
        if "worker-" in file.name:
            workers.append(file.name)
        elif "run.env" in file.name:
            variables |= file_variables
        else:
            variables = file_variables | variables
    yaml_settings = _yaml_settings(bundle)
    keys_of_names |= {key: key for key in yaml_settings}
    env_settings = settings_from_env(variables)
    other_variables = {
        name.removeprefix("DR_"): value for name, value in variables.items() if name not in ENV_KEYS
    }
    notes = _contradiction_notes(env_settings, yaml_settings)
    if workers and variables.get("DR_TRAIN_MULTI_CONFIG", "").lower() == "true":
        notes.append(f"{', '.join(workers)}: a run of racer trains as the first worker does")
    settings = {**other_variables, **yaml_settings, **env_settings}
    return JobSettings(settings, keys_of_names, tuple(notes))


def _system_file_first(files: Sequence[BundleFile]) -> list[BundleFile]:
    return sorted(files, key=lambda file: not file.name.endswith("system.env"))


def _yaml_settings(bundle: Bundle) -> dict[str, Setting]:
    file = bundle.likeliest_file("yaml")
    if file is None:
        return {}
    return settings_from_yaml(file.text, file.name)


def _contradiction_notes(
    env_settings: Mapping[str, str], yaml_settings: Mapping[str, Setting]
) -> list[str]:
    """A sentence for each key that has another value in each of the two files."""
    notes = []
    for key in sorted(set(env_settings) & set(yaml_settings)):
        env_value = env_settings[key]
        yaml_value = yaml_settings[key]
        if env_value.lower() != str(yaml_value).lower():
            notes.append(
                f"{key} is {env_value} in run.env and {yaml_value} in the YAML file: run.env counts"
            )
    return notes
