"""Draw the pictures of the pages that show a command's own picture, with that command: python
docs/pictures/commands.py [PICTURE...]

`mine.py` is the reward that docs/explain.md shows, with the function that it calls. The two runs
that docs/compare.md compares, that of docs/doctor.md and that of `make demo` are trained under
runs/pictures/ (minutes), unless they are there. What a camera
sees (explain_run.png, onboard.gif) and the records (line_records.png) come from trainings and data
that are not made here.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
RUNS = ROOT / "runs" / "pictures" / "commands"
FIRST_BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
ABOVE = '''\
import math


def heading_error(params):
    """Degrees between the car and the road."""
    behind, ahead = (params["waypoints"][k] for k in params["closest_waypoints"])
    direction = math.degrees(math.atan2(ahead[1] - behind[1], ahead[0] - behind[0]))
    error = abs(direction - params["heading"])
    return min(error, 360.0 - error)


# Near the center line, fast, and along the road.
'''
"""The lines of `mine.py` before those that the page shows."""

COMMANDS = {
    "explain.png": "explain mine.py --driver medium --driver racing_line -o explain.png",
    "map.png": "map mine.py --speed 1.5 --heading-deg 8 -o map.png",
    "map_best_heading.png": "map aim_ahead --best-heading --steering-deg 15 -o map_best_heading.png",
    "map_minus.png": "map waypoint_heading --minus aim_ahead --heading-deg 10 -o map_minus.png",
    "score.png": "score speed_aware --track reinvent_2018 -o score.png",
    "line.png": "line reinvent_2018 -o line.png",
    "actions_check.png": f"actions check {ROOT}/experiments/action_spaces/fine_27.json --car v5 "
    "-o actions_check.png",
    "actions_design.png": "actions design --car v5 -o actions.json --picture actions_design.png",
    "compare.png": f"compare {RUNS}/center_line {RUNS}/progress_gained -o compare.png",
}
"""Each picture, and the arguments of `racer` that write it."""
DOCTOR_PICTURES = {
    "doctor_reward.png": "1-foreseen-reward.png",
    "doctor_corner.png": "3-corner.png",
}
"""The pictures of docs/doctor.md, and what `racer doctor` calls them."""


def main() -> None:
    """Draw the pictures that are named, or all."""
    wanted = sys.argv[1:] or [*COMMANDS, *DOCTOR_PICTURES, "demo.gif"]
    if "compare.png" in wanted:
        for reward in ("center_line", "progress_gained"):
            train(reward, "hot_rod_speedway", 120_000, "--laps", "12", "--noise", "robust")
    if "demo.gif" in wanted:
        shutil.rmtree(RUNS, ignore_errors=True)
        RUNS.mkdir(parents=True)
        racer("demo", folder=RUNS)
        shutil.copyfile(RUNS / "runs" / "demo" / "ghosts.gif", FOLDER / "demo.gif")
    if set(DOCTOR_PICTURES) & set(wanted):
        draw_doctor()
    draw([picture for picture in COMMANDS if picture in wanted])


def draw(pictures: list[str]) -> None:
    """Run the commands of pictures in an empty folder, and take what they write."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "mine.py").write_text(reward_of_page(), "utf-8")
        for picture in pictures:
            racer(*COMMANDS[picture].split(), folder=Path(folder))
            shutil.copyfile(Path(folder) / picture, FOLDER / picture)
            print(picture)


def draw_doctor() -> None:
    """The pictures of the training that docs/doctor.md shows."""
    run = RUNS / "doctor"
    if not run.exists():
        words = ("--track", "reinvent_2018", "--steps", "40000", "--seed", "1", "--out", str(run))
        racer("train", "center_line", *words, folder=ROOT)
    with tempfile.TemporaryDirectory() as folder:
        words = ("--reward", str(run / "reward_function.py"), "-o", folder)
        racer("doctor", str(run), *words, folder=ROOT)
        for picture, name in DOCTOR_PICTURES.items():
            shutil.copyfile(Path(folder) / name, FOLDER / picture)
            print(picture)


def reward_of_page() -> str:
    """The reward of docs/explain.md, whose lines have their numbers there."""
    page = (ROOT / "docs" / "explain.md").read_text("utf-8")
    numbered = FIRST_BLOCK.findall(page)[0].splitlines()
    lines = [line[5:] for line in numbered]
    return ABOVE + "\n".join(lines) + "\n"


def train(reward: str, track: str, steps: int, *race: str) -> Path:
    """The run of a shipped reward with its race, made where it is not there yet."""
    name = reward if track == "hot_rod_speedway" else "demo"
    run = RUNS / name
    if not (run / "race.done").exists():
        shutil.rmtree(run, ignore_errors=True)
        arguments = ("--track", track, "--steps", str(steps), "--out", str(run))
        racer("train", reward, *arguments, folder=ROOT)
        racer("evaluate", str(run), *race, "--save", folder=ROOT)
        (run / "race.done").touch()
    return run


def racer(*arguments: str, folder: Path) -> None:
    """Run a command of racer in a folder. `score` ends with 1 where its verdict is bad."""
    done = subprocess.run(
        [sys.executable, "-m", "racer", *arguments], cwd=folder, capture_output=True, text=True
    )
    usual = (0, 1) if arguments[0] == "score" else (0,)
    if done.returncode not in usual:
        raise SystemExit(f"racer {' '.join(arguments)}\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    main()
