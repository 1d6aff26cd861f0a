"""What MkDocs is told about this repository: pages that are made from the program itself.

- `index.md` is README.md, `repository/*.md` are the pages beside it that others link to.
- `reference/commands.md` comes from the command line's own help, `reference/python.md` lists the
  public face for mkdocstrings, `reference/pictures.md` shows every plot.
- `notebooks/*.md` are the notebooks, executed where RACER_DOCS_EXECUTE is set.
- Links out of `docs/`, to results and sources, lead to copies below `repository/`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from posixpath import dirname, join, normpath, relpath
from tempfile import TemporaryDirectory
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
EXECUTE_VARIABLE = "RACER_DOCS_EXECUTE"
EXECUTE_TIMEOUT_S = 600  # of one cell
REPOSITORY_PAGES = ("CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")
MARKDOWN_LINK = re.compile(r"(\]\()([^)\s#]+)((?:#[^)\s]*)?\))")
EXTERNAL = ("http:", "https:", "mailto:", "#")


def on_files(files: Files, config: Any) -> Files:
    """Add the generated pages, and the files of the repository that pages link to."""
    pages = {
        "index.md": (ROOT / "README.md").read_text("utf-8"),
        "reference/commands.md": commands_page(),
        "reference/python.md": python_page(),
        "reference/pictures.md": pictures_page(),
    }
    for name in REPOSITORY_PAGES:
        pages[f"repository/{name}"] = (ROOT / name).read_text("utf-8")
    for notebook in sorted((ROOT / "docs" / "notebooks").glob("*.ipynb")):
        pages[f"notebooks/{notebook.stem}.md"] = notebook_page(notebook)
    for path, text in pages.items():
        files.append(File.generated(config, path, content=text))
    unread = list(files.documentation_pages())
    while unread:
        for path in linked_repository_files(unread.pop()):
            if files.get_file_from_path(f"repository/{path}") is None:
                content = (ROOT / path).read_bytes()
                file = File.generated(config, f"repository/{path}", content=content)
                files.append(file)
                if file.is_documentation_page():
                    unread.append(file)
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """The page with its links led to where their files are on the site."""
    source = page.file.src_uri

    def lead(match: re.Match[str]) -> str:
        if match[2].startswith(EXTERNAL):
            return match[0]
        target = path_on_site(place_of_link(source, match[2]))
        return f"{match[1]}{relpath(target, dirname(source) or '.')}{match[3]}"

    return MARKDOWN_LINK.sub(lead, markdown)


def place_of_link(source: str, target: str) -> str:
    """Where in the repository a link of a page of the site leads to."""
    if source == "index.md":
        return normpath(target)
    if source.startswith("repository/"):
        return normpath(join(dirname(source.removeprefix("repository/")), target))
    return normpath(join("docs", dirname(source), target))


def path_on_site(place: str) -> str:
    """Where a file of the repository is on the site."""
    if place == "README.md":
        return "index.md"
    if place.startswith("docs/notebooks/"):
        return place.removeprefix("docs/").replace(".ipynb", ".md")
    if place.startswith("docs/"):
        return place.removeprefix("docs/")
    return f"repository/{place}"


def linked_repository_files(page: File) -> Iterator[str]:
    """Files outside of `docs/` that a page links to, as paths in the repository."""
    for match in MARKDOWN_LINK.finditer(page.content_string):
        if match[2].startswith(EXTERNAL):
            continue
        place = place_of_link(page.src_uri, match[2])
        is_elsewhere = not place.startswith("docs/") and place != "README.md"
        if is_elsewhere and (ROOT / place).is_file():
            yield place


def commands_page() -> str:
    """Every command, with its usage, arguments and options, from the program itself."""
    from racer.cli import COMMANDS, load_command

    lines = ["# Commands", "", "What `racer COMMAND --help` prints, all on one page.", ""]
    for name, entry in COMMANDS.items():
        command = load_command(name)
        lines += [f"## racer {name}", "", entry.line, ""]
        subcommands = getattr(command, "commands", {})
        if not subcommands:
            lines += command_lines(f"racer {name}", command)
        for sub_name, sub_command in subcommands.items():
            lines += [f"### racer {name} {sub_name}", ""]
            lines += command_lines(f"racer {name} {sub_name}", sub_command)
    return "\n".join(lines)


def command_lines(words: str, command: Any) -> list[str]:
    """Usage, text and table of one command."""
    import typer

    context = typer.Context(command, info_name=words)
    usage = command.get_usage(context).removeprefix("Usage: ").strip()
    lines = ["```text", " ".join(usage.split()), "```", "", help_text(command.help or ""), ""]
    records = [parameter.get_help_record(context) for parameter in command.get_params(context)]
    rows = [record for record in records if record is not None]
    if rows:
        lines += ["| argument or option | meaning |", "|---|---|"]
    for signature, meaning in rows:
        lines.append(f"| `{escape_cell(signature)}` | {escape_cell(meaning)} |")
    return [*lines, ""]


def escape_cell(text: str) -> str:
    """Text that holds in one cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def help_text(text: str) -> str:
    """The help of a command, with its examples as commands to copy."""
    paragraphs = []
    for paragraph in text.split("\n\n"):
        is_example = all(line.strip().startswith("racer ") for line in paragraph.splitlines())
        paragraphs.append(f"```bash\n{paragraph}\n```" if is_example else paragraph)
    return "\n\n".join(paragraphs)


def python_page() -> str:
    """The public face, each name for mkdocstrings to document."""
    import racer

    lines = [
        "# Python",
        "",
        "`import racer` gives these names. Each is one call; results print as a table in a terminal,",
        "show themselves in a notebook, and are plain data by `to_dict()`.",
        "",
    ]
    for name in sorted(racer.__all__, key=str.lower):
        lines += [f"::: racer.{name}", ""]
    return "\n".join(lines)


def pictures_page() -> str:
    """Every kind of plot with its picture, drawn by `docs/pictures/plots.py`."""
    from racer.plotting import PLOT_KINDS

    lines = ["# Pictures", "", "What [`racer plot`](../plots.md) draws, each by its name.", ""]
    for name, kind in PLOT_KINDS.items():
        lines += [f"## {name}", "", f"{kind.summary}", ""]
        picture = ROOT / "docs" / "pictures" / "plots" / f"{name}.png"
        if picture.is_file():
            lines += [f"![{name}](../pictures/plots/{name}.png)", ""]
    return "\n".join(lines)


def notebook_page(path: Path) -> str:
    """A notebook as Markdown, with what its cells show where EXECUTE_VARIABLE is set."""
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    if os.environ.get(EXECUTE_VARIABLE):
        from nbclient import NotebookClient

        with TemporaryDirectory() as folder:
            where = {"metadata": {"path": folder}}
            NotebookClient(notebook, timeout=EXECUTE_TIMEOUT_S, resources=where).execute()
    parts = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source)
        else:
            parts.append(f"```python\n{cell.source}\n```")
            parts += [shown for output in cell.outputs if (shown := shown_output(output))]
    parts.append(f'<a href="{path.name}">The notebook itself</a>')
    return "\n\n".join([*parts, ""])


def shown_output(output: Any) -> str:
    """What a cell shows, as Markdown: a picture, a table, or text."""
    if output.output_type == "stream":
        return f"```text\n{output.text.rstrip()}\n```"
    data = output.get("data", {})
    if "image/png" in data:
        return f"![](data:image/png;base64,{''.join(data['image/png'].split())})"
    if "text/html" in data:
        return f'<div class="notebook-output">{data["text/html"]}</div>'
    if "text/plain" in data:
        return f"```text\n{data['text/plain']}\n```"
    return ""
