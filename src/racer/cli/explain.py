"""`racer explain`: which lines of a reward function pay how much, and where; or where a trained
policy looks.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from racer.cli.explain_run import is_run_folder, print_policy_explanation
from racer.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from racer.diagnostics.attribution import AttributedDrive, Attribution, PiecePay
    from racer.track.track import Track

Option = typer.Option
Drives = list[tuple[str, list[Any]]]

_USUAL = ("medium", "racing_line", "weaving")  # drivers, where none is named
_MOST_SHARES = 4  # runs up to which each has a column
_SMALL = 0.001  # of all amounts: rows below it are counted, not shown


def explain_command(
    reward: Annotated[
        str,
        typer.Argument(
            metavar="REWARD|RUN",
            help="A reward file, the name of a shipped one, or a run's folder.",
        ),
    ],
    track: Annotated[
        str,
        Option(
            help="A track's name, .toml or .npy file.  [default: reinvent_2018; of a log: recognized]"
        ),
    ] = "",
    driver: Annotated[
        list[str] | None,
        Option(
            help=f"A scripted driver, or all; may be repeated.  [default: {', '.join(_USUAL)}]",
            show_default=False,
        ),
    ] = None,
    trace: Annotated[
        Path | None,
        Option(
            metavar="LOG", help="Explain recorded laps instead: a simtrace csv or a folder of them."
        ),
    ] = None,
    tracks: Annotated[
        Path | None,
        Option(metavar="DIR", help="A folder of routes to recognize the log's track among."),
    ] = None,
    episodes: Annotated[int, Option(min=1, help="How many of the log's best episodes.")] = 3,
    car: Annotated[
        str, Option(help="v4, v5 or v6.  [default: what the action space says, else v6]")
    ] = "",
    action_space: Annotated[
        Path | None, Option(metavar="FILE", help="A model_metadata.json.  [default: continuous]")
    ] = None,
    reverse: Annotated[bool, Option("--reverse", help="Drive the track the other way.")] = False,
    output: Annotated[
        Path | None, Option("-o", "--output", help="Draw the terms there (png, svg, pdf).")
    ] = None,
    as_json: Annotated[bool, Option("--json", help="Print JSON.")] = False,
    reward_timeout: Annotated[
        float, Option(help="Seconds that a call may take; 0: any time.")
    ] = 5.0,
    checkpoint: Annotated[
        str, Option(help="Of a run: best, last, or the number of steps.  [default: best]")
    ] = "",
) -> None:
    """Say which lines and terms of a reward function pay how much over a lap, and where on the
    track.

    Of a run: what its policy looks at and how sure it is, over a lap.
    """
    if is_run_folder(reward):
        wrong = track or driver or trace or tracks or car or action_space or reverse
        _refuse(
            wrong,
            "a run is explained on its own track, with its own car: give it with -o, --json or --checkpoint",
        )
        print_policy_explanation(Path(reward).expanduser(), checkpoint or "best", output, as_json)
        return
    _refuse(checkpoint, f"--checkpoint is for a run's folder, and {reward} is none")
    from racer.diagnostics.attribution import attribute_reward
    from racer.reward import load_reward

    function = load_reward(reward)
    if trace is not None:
        _refuse(
            driver or reverse or car or action_space,
            "--trace explains what was driven: give it without --driver, --car, --action-space and --reverse",
        )
        road, drives = _recorded(trace, track, tracks, episodes)
    else:
        road, drives = _driven(
            track or "reinvent_2018", driver or list(_USUAL), car, action_space, reverse
        )
    found = attribute_reward(function, drives, timeout=reward_timeout)
    if as_json:
        typer.echo(json.dumps(_as_json(found, road), indent=2))
    else:
        _print_explanation(found, road)
    if output:
        typer.echo(str(_drawn(found, road, output)), err=as_json)


def _driven(
    name: str, words: list[str], car: str, action_space: Path | None, reverse: bool
) -> tuple[Track, Drives]:
    """The track, and the params of every step of the drivers on it."""
    from racer.drivers import scripted as drivers
    from racer.sim.params import build_params
    from racer.sim.state import Phase
    from racer.vehicle import action_space as actions

    road = load_track_with_note(name)
    metadata = actions.read_metadata(action_space) if action_space else None
    model = car or (metadata.car if metadata else "v6")
    chosen = list(drivers.DRIVER_FAMILY) if "all" in words else list(dict.fromkeys(words))
    made = drivers.drive_all(
        road, chosen, model, metadata.action_space if metadata else None, reverse=reverse
    )
    found: Drives = []
    for one in made:
        ended = (
            f"{one.lap_time:.2f} s"
            if one.lap_time == one.lap_time
            else f"{one.completion:.0f} % of a lap"
        )
        rows = one.rows[one.rows["phase"] == Phase.RUN]
        found.append((f"{one.name} ({ended})", list(build_params(rows, one.tracks))))
    return (road.reversed() if reverse else road), found


def load_track_with_note(name: str) -> Track:
    """The track of that name or file; what there is to say about it goes to stderr."""
    from racer.track import library

    entry = library.find_track(name)
    if entry.note:
        typer.echo(f"note: {entry.note}", err=True)
    return library.open_entry(entry)


def _recorded(path: Path, name: str, folder: Path | None, count: int) -> tuple[Track, Drives]:
    """The track that a log was driven on, and the params of the steps of its best episodes."""
    import numpy as np

    from racer import logs
    from racer.analysis import laps
    from racer.cli.inputs import track_of_log, tracks_to_try
    from racer.diagnostics.log_replay import scored_rows
    from racer.logs.to_state import episode_begins, state_rows
    from racer.sim.params import build_params

    steps = logs.read_log(path).trace
    length = steps["track_len"].round(2)
    steps = steps[length == length.mode().iloc[0]].reset_index(drop=True)
    road = track_of_log(steps, name, tracks_to_try(name, folder))
    if road.track is None:
        raise UsageError(road.sentence)
    typer.echo(road.sentence, err=True)
    first, counts = episode_begins(steps), scored_rows(steps)
    episode = np.cumsum(first) - 1
    table = laps(steps)
    table = table.assign(number=episode[table["first_row"]]).sort_values(
        ["complete", "time"], ascending=[False, True]
    )
    best = (
        table[table["complete"]] if table["complete"].any() else table.nlargest(count, "completion")
    )
    state = state_rows(steps, road.track)
    found: Drives = []
    for lap in best.drop_duplicates("number").head(count).to_dict("records"):
        ended = f"{lap['time']:.2f} s" if lap["complete"] else f"{lap['completion']:.0f} % of a lap"
        mine = state[(episode == lap["number"]) & counts]
        found.append(
            (f"episode {lap['episode']} ({ended})", list(build_params(mine, [road.track])))
        )
    if not any(drive for _, drive in found):
        raise UsageError(f"{path} holds no step that a reward function is called for")
    return road.track, found


def _print_explanation(found: Attribution, road: Track) -> None:
    from racer.diagnostics.attribution import pay_by_piece
    from racer.diagnostics.attribution.summary import describe_dominant_term, describe_stretches

    typer.echo(f"{found.reward.filename} on {road.name}{' (reversed)' if road.is_reversed else ''}")
    for note in (*found.reward.notes, *found.notes):
        typer.echo(f"note: {note}")
    for run in found.runs:
        typer.echo(f"\n{describe_dominant_term(found, run)}")
        if text := describe_stretches(found, run):
            typer.echo(f"  {text}")
    table = pay_by_piece(found)
    shown = [row for row in table if row.part >= _SMALL] or table[:1]
    typer.echo("")
    _print(_table(found, shown))
    if len(shown) < len(table):
        typer.echo(
            f"{len(table) - len(shown)} more below {_SMALL:.1%} of what is moved (--json has them)"
        )


def _table(found: Attribution, shown: Sequence[PiecePay]) -> Table:
    """Lines by what they move; a column of shares for each run, if there are not too many."""
    from rich.table import Table
    from rich.text import Text

    from racer.diagnostics.attribution import pay_by_piece

    runs = found.runs if 1 < len(found.runs) <= _MOST_SHARES else ()
    shares = [{_key(row): row for row in pay_by_piece(found, [run])} for run in runs]
    table = Table()
    table.add_column("line", justify="right", no_wrap=True)
    table.add_column("source", overflow="fold", min_width=24)
    for name in (*(_short(run) for run in runs), *(["share"] if not runs else [])):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("mean", justify="right", no_wrap=True)
    table.add_column("executed", justify="right", no_wrap=True)
    for row in shown:
        of_runs = [_percent(share[_key(row)].share) for share in shares] or [_percent(row.share)]
        source = Text(
            row.source
            + (f"   in `{row.through.text}`, line {row.through.line}" if row.through else "")
        )
        table.add_row(str(row.line), source, *of_runs, _number(row.mean), f"{row.executed:.0%}")
    return table


def _key(row: PiecePay) -> tuple[Any, ...]:
    return row.line, row.source, row.through


def _short(run: AttributedDrive) -> str:
    return run.name.partition(" (")[0]


def _percent(share: float) -> str:
    return f"{share:.1%}" if share == share else "none"


def _number(value: float) -> str:
    return f"{value:.4g}" if value == value else ""


def _print(table: Table) -> None:
    from rich.console import Console

    console = Console()
    Console(width=None if console.is_terminal else 110).print(table)


def _drawn(found: Attribution, road: Track, output: Path) -> Path:
    from racer.plotting import style
    from racer.plotting.attribution import attribution_figure

    return style.save_figure(attribution_figure(found, road), output, dpi=110)


def _refuse(wrong: object, sentence: str) -> None:
    if wrong:
        raise UsageError(sentence)


def _as_json(found: Attribution, road: Track) -> dict[str, Any]:
    from racer.diagnostics.attribution import pay_by_piece

    return {
        "reward": found.reward.filename,
        "track": road.name,
        "reversed": road.is_reversed,
        "notes": [*found.reward.notes, *found.notes],
        "lines": [_row_as_json(row) for row in pay_by_piece(found)],
        "runs": [_run_as_json(found, run) for run in found.runs],
    }


def _run_as_json(found: Attribution, run: AttributedDrive) -> dict[str, Any]:
    from racer.diagnostics.attribution import pay_by_piece, pay_by_term
    from racer.diagnostics.attribution.summary import describe_dominant_term, find_stretches

    terms = [
        {"term": g.name, "lines": g.lines, "total": float(g.amounts.sum())}
        for g in pay_by_term(found, [run])
    ]
    places = [
        {"from": s.start, "to": s.end, "term": s.group.name} for s in find_stretches(found, run)
    ]
    return {
        "name": run.name,
        "steps": len(run.reward),
        "reward": float(run.reward.sum()),
        "sentence": describe_dominant_term(found, run),
        "terms": terms,
        "strongest": places,
        "lines": [_row_as_json(row) for row in pay_by_piece(found, [run])],
    }


def _row_as_json(row: PiecePay) -> dict[str, Any]:
    through = {"line": row.through.line, "source": row.through.text} if row.through else None
    numbers = {name: getattr(row, name) for name in ("share", "part", "mean", "executed", "total")}
    known = {name: value if value == value else None for name, value in numbers.items()}
    return {"line": row.line, "source": row.source, "through": through, **known}
