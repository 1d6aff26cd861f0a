"""`racer replay`: what a reward function would have paid for recorded laps."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from racer.cli.inputs import LogTrack, TrackOption, TracksOption, candidate_tracks, track_of_log
from racer.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from racer.diagnostics.log_replay import RebuildProof
    from racer.reward import RewardFunction
    from racer.track.track import Track

_COLUMNS = (
    "log", "file", "track", "episode", "lap", "status", "complete", "completion", "time", "steps", "scored", "paid",
    "logged", "clock_rank", "paid_rank",
)  # fmt: skip
_HEADS = (
    "episode",
    "lap",
    "status",
    "covered %",
    "time s",
    "paid",
    "in the log",
    "by clock",
    "by pay",
)
_MOST = 10  # laps that are listed
_NEAR = 0.01  # of the pay: a difference that is not worth a sentence


@dataclass(frozen=True, eq=False)
class _Piece:
    """The rows of one log that were driven on one track, and their laps with what they are paid."""

    name: str
    steps: int
    scored: int
    road: LogTrack
    proof: RebuildProof | None
    laps: pd.DataFrame  # empty where the track is unknown

    @property
    def track(self) -> str:
        """The track's name, and the direction where it is driven the other way."""
        track = self.road.track
        return "" if track is None else track.name + (" (reversed)" if track.is_reversed else "")


def replay_command(
    reward: Annotated[
        str, typer.Argument(metavar="REWARD", help="A reward file, or the name of a shipped one.")
    ],
    logs: Annotated[
        list[Path],
        typer.Argument(
            metavar="LOG...", help="Simtrace csv files, simulator's logs, or folders of them."
        ),
    ],
    track: TrackOption = "",
    tracks: TracksOption = None,
    own: Annotated[
        str,
        typer.Option(
            "--own",
            metavar="REWARD",
            help="The reward that the log was scored with: proves the rebuild.",
        ),
    ] = "",
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write every lap to a csv file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    reward_timeout: Annotated[
        float, typer.Option(help="Seconds that a call may take; 0: any time.")
    ] = 5.0,
) -> None:
    """Price the steps of logs with a reward function, and compare what laps are paid with the
    clock.
    """
    from racer.reward import load_reward

    priced, known = load_reward(reward), load_reward(own) if own else None
    roads = [] if track else list(candidate_tracks(tracks))
    pieces = []
    for path in logs:
        for piece in _pieces(path, track, roads, priced, known, reward_timeout):
            pieces.append(piece)
            if not as_json:
                _print_piece(piece, own)
    by_track = _by_track(pieces)
    if csv:
        _write(csv, by_track)
    if as_json:
        typer.echo(json.dumps(_as_json(reward, pieces, by_track), indent=2))
    else:
        _print_notes(priced)
        for name, table in by_track.items():
            _print_track(name, table)
    if not by_track:
        raise UsageError("nothing was priced: no log's track is known")


def _pieces(
    path: Path,
    name: str,
    roads: list[Track],
    reward: RewardFunction,
    own: RewardFunction | None,
    timeout: float,
) -> Iterator[_Piece]:
    """A log, cut by the length of its tracks, priced."""
    import numpy as np

    from racer import logs
    from racer.diagnostics import log_replay as about

    log = logs.read_log(path)
    trace, files = log.trace, dict(enumerate(source.name for source in log.sources))
    length = trace["track_len"].round(2)
    for one in length.unique():
        rows = trace[length == one].reset_index(drop=True)
        road, scored = track_of_log(rows, name, roads), int(about.scored_rows(rows).sum())
        if road.track is None:
            yield _Piece(
                str(path),
                len(rows),
                scored,
                road,
                None,
                about.paid_laps(rows.iloc[:0], np.empty(0)),
            )
            continue
        found = None
        if own is not None:
            found = about.prove_rebuild(
                rows, about.price_trace(rows, road.track, own, timeout=timeout)
            )
            about.require_proof(found, own.filename)
        rewards = about.price_trace(rows, road.track, reward, timeout=timeout)
        laps = about.paid_laps(rows, rewards).rename(columns={"reward": "logged"})
        laps = laps.assign(log=str(path), file=laps["source"].map(files))
        yield _Piece(str(path), len(rows), scored, road, found, laps)


def _by_track(pieces: list[_Piece]) -> dict[str, pd.DataFrame]:
    """The laps of each track, ranked; those of several logs together."""
    import pandas as pd

    from racer.diagnostics.log_replay import rank_laps

    tables: dict[str, list[pd.DataFrame]] = {}
    for piece in pieces:
        if len(piece.laps):
            tables.setdefault(piece.track, []).append(piece.laps.assign(track=piece.track))
    return {name: rank_laps(pd.concat(parts, ignore_index=True)) for name, parts in tables.items()}


def _print_piece(piece: _Piece, own: str) -> None:
    typer.echo(f"{piece.name}: {piece.steps:,} steps, {piece.scored:,} of them scored")
    typer.echo(f"  {piece.road.sentence}")
    if piece.proof:
        typer.echo(f"  proof with {own}: {piece.proof}")


def _print_notes(reward: RewardFunction) -> None:
    for note in reward.notes:
        typer.echo(f"note: {note}")
    from racer.reward.load import reads_objects

    if reads_objects(reward):
        typer.echo(
            f"note: {reward.filename} reads objects; a log does not tell where they were, so it saw none"
        )


def _print_track(name: str, table: pd.DataFrame) -> None:
    """All laps in a few lines, and where pay and clock disagree most: among the complete laps, if
    there are some.
    """
    from racer.diagnostics.log_replay import displaced_laps, rank_laps

    whole = table[table["complete"]]
    typer.echo(f"\n{name}: {len(table):,} laps, {len(whole):,} complete")
    _print_correlation("all laps", table)
    if len(whole) > 1:
        table = rank_laps(whole)
        _print_correlation("complete laps", table)
    best = describe_best_laps(table)
    if best:
        typer.echo(best)
    moved = displaced_laps(table, _MOST)
    which = "complete laps" if len(whole) > 1 else "laps"
    typer.echo(
        f"the {which} that it ranks most differently from the clock"
        if len(moved)
        else "every lap is in its place"
    )
    if len(moved):
        _print(_lap_table(moved))


def _print_correlation(which: str, table: pd.DataFrame) -> None:
    facts = _agreement(table)
    mine, theirs, share = (
        facts[name] for name in ("correlation", "logged_correlation", "wrong_pairs")
    )
    text = f"{which}: rank correlation of pay and clock {_number(mine)}, of the rewards in the log {_number(theirs)}"
    typer.echo(
        text + (f"; of all pairs the worse is paid more in {share:.1%}" if share == share else "")
    )


def _agreement(table: pd.DataFrame) -> dict[str, float]:
    from racer.diagnostics.log_replay import rank_correlation, wrong_pair_fraction

    clock = -table["clock_rank"].to_numpy()
    return {
        "correlation": rank_correlation(clock, table["paid"].to_numpy()),
        "logged_correlation": rank_correlation(clock, table["logged"].to_numpy()),
        "wrong_pairs": wrong_pair_fraction(table),
    }


def describe_best_laps(table: pd.DataFrame) -> str:
    """The best lap by the clock against the best paid one, in words; nothing when they are the
    same, or paid alike.
    """
    fast = table.iloc[int(table["clock_rank"].to_numpy().argmin())]
    rich = table.iloc[int(table["paid"].to_numpy().argmax())]
    if (
        rich["paid"] - fast["paid"] <= _NEAR * abs(rich["paid"])
        or fast["clock_rank"] == rich["clock_rank"]
    ):
        return ""
    return f"it pays {_lap(rich)} {rich['paid']:.6g}, but the best by the clock, {_lap(fast)}, only {fast['paid']:.6g}"


def _lap(row: pd.Series) -> str:
    how = (
        f"a lap of {row['time']:.3f} s"
        if row["complete"]
        else f"{row['completion']:.1f} % of a lap"
    )
    return f"episode {row['episode']} ({how})"


def _lap_table(rows: pd.DataFrame) -> Table:
    several = rows[["log", "file"]].drop_duplicates().shape[0] > 1
    table = Table()
    for head in (*(["file"] if several else []), *_HEADS):
        table.add_column(
            head, justify="left" if head in ("file", "status") else "right", no_wrap=True
        )
    for row in rows.to_dict("records"):
        time = f"{row['time']:.3f}" if row["complete"] else ""
        cells = [_file(row["log"], row["file"])] if several else []
        cells += [
            str(row["episode"]),
            str(row["lap"]),
            str(row["status"]),
            f"{row['completion']:.1f}",
            time,
        ]
        cells += [
            _number(row["paid"]),
            _number(row["logged"]),
            f"{row['clock_rank']:g}",
            f"{row['paid_rank']:g}",
        ]
        table.add_row(*cells)
    return table


def _file(log: str, name: str) -> str:
    """What tells the files of a table apart: a log's folder, and the file in it."""
    return name if Path(log).name == name else f"{Path(log).name}/{name}"


def _number(value: float) -> str:
    return f"{value:.2f}" if value == value else "none"


def _print(table: Table) -> None:
    console = Console()
    Console(width=None if console.is_terminal else 160).print(table)


def _write(path: Path, by_track: dict[str, pd.DataFrame]) -> None:
    """Every lap, beside and then renamed."""
    import pandas as pd

    parts = [table[list(_COLUMNS)] for table in by_track.values()]
    whole = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(_COLUMNS))
    beside = path.with_name(f".{path.name}.new")
    try:
        whole.to_csv(beside, index=False)
        beside.replace(path)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}") from None


def _as_json(
    reward: str, pieces: list[_Piece], by_track: dict[str, pd.DataFrame]
) -> dict[str, Any]:
    return {
        "reward": reward,
        "logs": [_piece_as_json(piece) for piece in pieces],
        "tracks": [_track_as_json(name, table) for name, table in by_track.items()],
    }


def _piece_as_json(piece: _Piece) -> dict[str, Any]:
    found = piece.proof
    return {
        "log": piece.name,
        "track": piece.track or None,
        "agreement": piece.road.agreement,
        "steps": piece.steps,
        "scored": piece.scored,
        "proof": found and {"rows": found.rows, "equal": found.equal, "share": found.share},
    }


def _track_as_json(name: str, table: pd.DataFrame) -> dict[str, Any]:
    from racer.diagnostics.log_replay import rank_laps

    tables = {"all": table, "complete": rank_laps(table[table["complete"]])}
    numbers = {
        which: {key: _known(value) for key, value in _agreement(one).items()}
        for which, one in tables.items()
    }
    laps = json.loads(table[list(_COLUMNS)].to_json(orient="records", double_precision=9))
    return {"track": name, **numbers, "laps": laps}


def _known(value: float) -> float | None:
    return value if value == value else None
