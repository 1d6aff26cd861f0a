"""`racer completion`: what a shell offers for a word that is begun: commands, options, tracks,
rewards, runs. Where nothing of that fits, the shell offers files.
"""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

MAX_RUNS = 30  # that are offered, the newest
BASH_WORDS = "COMP_WORDBREAKS=${COMP_WORDBREAKS//@}"
"""To bash, @last is two words otherwise."""

Offer = tuple[str, str]
"""A word, and what it means."""


class Shell(StrEnum):
    """Shells that can be told what to offer."""

    bash = "bash"
    zsh = "zsh"
    fish = "fish"


def completion_command(
    shell: Annotated[Shell, typer.Argument(help="bash, zsh or fish.", show_default=False)],
) -> None:
    """Print what makes a shell complete commands, options, tracks, rewards and runs.

    bash: a line in ~/.bashrc: eval "$(racer completion bash)"

    zsh: a line in ~/.zshrc, after compinit: eval "$(racer completion zsh)"

    fish: once: racer completion fish > ~/.config/fish/completions/racer.fish

    racer completion bash
    racer completion zsh
    """
    from racer.cli import app

    if shell is Shell.bash:
        typer.echo(BASH_WORDS)
    os.environ["_RACER_COMPLETE"] = f"source_{shell.value}"
    try:
        app(prog_name="racer")
    finally:
        del os.environ["_RACER_COMPLETE"]


def offer_tracks(incomplete: str) -> list[Offer]:
    """Names of tracks; of several with commas the last one is completed."""
    from racer.track import track_entries

    before, comma, begun = incomplete.rpartition(",")
    return [
        (f"{before}{comma}{entry.name}", entry.provenance)
        for entry in track_entries()
        if entry.name.startswith(begun)
    ]


def offer_rewards(incomplete: str) -> list[Offer]:
    """Names of shipped rewards."""
    from racer.reward import shipped_rewards

    return [(name, "shipped") for name in shipped_rewards() if name.startswith(incomplete)]


def offer_runs(incomplete: str) -> list[Offer]:
    """Runs by name, the newest first."""
    from racer.training import RUNS_FOLDER, list_runs

    if not "@".startswith(incomplete[:1]) or not Path(RUNS_FOLDER).is_dir():
        return []
    runs = list_runs(RUNS_FOLDER)[-MAX_RUNS:][::-1]
    offers = [(f"@{run.number}", f"{run.reward} on {run.track}, {run.state}") for run in runs]
    if runs:
        offers = [("@last", "the newest"), ("@best", "the fastest"), *offers]
    return [offer for offer in offers if offer[0].startswith(incomplete)]


def offer_rewards_and_runs(incomplete: str) -> list[Offer]:
    """What can be explained."""
    return [*offer_rewards(incomplete), *offer_runs(incomplete)]
