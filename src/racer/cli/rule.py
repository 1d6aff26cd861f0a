"""`racer rule`: what a code of `racer check` means, a file that gets it, and the same file cured."""

from __future__ import annotations

import re
import sys
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markdown import Markdown

from racer.checker import CODES, suggest_code
from racer.cli.tables import JsonOption, echo, echo_json, new_table, print_table
from racer.errors import UsageError
from racer.files import read_text
from racer.resources import shipped_folder

CODES_PAGE = "check_codes.md"


def rule_command(
    code: Annotated[
        str | None,
        typer.Argument(
            metavar="[CODE]",
            help="RW309, or its name; the beginning of several, as RW3, lists those.",
            show_default="all of them, in a table",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say what a code of racer check means, with a file that gets it and the same file cured.

    racer rule RW309
    racer rule RW3
    """
    codes = _matching_codes(code or "")
    if as_json:
        echo_json([_plain(code) for code in codes])
    elif code and len(codes) == 1:
        _print_page(codes[0])
    else:
        _print_codes(codes)


def _matching_codes(text: str) -> list[str]:
    """The codes that `text` means: a code, a name, or the beginning of codes.

    Raises UsageError, with the nearest one, where there is none.
    """
    by_name = {known.name: code for code, known in CODES.items()}
    if text.lower() in by_name:
        return [by_name[text.lower()]]
    codes = [code for code in CODES if code.startswith(text.upper())]
    if not codes:
        raise UsageError(
            f"racer check has no code {text!r}{suggest_code(text)} (racer rule lists all)"
        )
    return codes


def _plain(code: str) -> dict[str, Any]:
    known = CODES[code]
    return {
        "code": code,
        "name": known.name,
        "severity": known.severity,
        "meaning": known.meaning,
        "cure": known.cure,
        "page": code_section(code),
    }


def code_section(code: str) -> str:
    """What the page of codes says of one, as Markdown without its heading.

    >>> code_section("RW102").splitlines()[0]
    'error: there is no reward_function.'
    """
    page = read_text(shipped_folder("docs") / CODES_PAGE)
    section = re.search(
        rf"^### {code} [^\n]*\n+(.*?)(?=^### |^## |\Z)", page, re.MULTILINE | re.DOTALL
    )
    if section is None:
        raise UsageError(
            f"the page of codes that ships with racer lacks {code}: install racer again"
        )
    return section[1].strip()


def _print_page(code: str) -> None:
    heading = f"{code} {CODES[code].name}"
    section = code_section(code)
    if sys.stdout.isatty():
        Console().print(Markdown(f"## {heading}\n\n{section}", code_theme="ansi_dark"))
        return
    echo(f"{heading}\n\n{section}")


def _print_codes(codes: list[str]) -> None:
    table = new_table(
        "code", "name", "severity", "meaning", text=["code", "name", "severity", "meaning"]
    )
    for code in codes:
        known = CODES[code]
        table.add_row(code, known.name, known.severity, known.meaning)
    print_table(table)
    echo("racer rule CODE shows a file that gets it, and its cure")
