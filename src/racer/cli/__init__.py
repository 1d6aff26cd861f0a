"""The command line: `racer COMMAND`. A command's module is imported when that command is called,
never before.

Exit codes: 0 done, 1 a check failed, 2 wrong use, 130 interrupted.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import itertools
import mmap
import os
import select
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from racer import __version__
from racer.errors import RacerError, UsageError, printable

# commands that stop at the first step that cannot be priced
PRICING_COMMANDS = ("foresee", "score", "explain", "map", "replay", "tune", "doctor")
REFUSED_WRITES = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
SUPERVISED_COMMANDS = {
    *("foresee", "score", "explain", "map", "replay", "watch", "reward"),
    *("train", "evaluate", "actions", "tune"),
    "analyze",  # with --foresee
    "doctor",  # with --reward
}
"""Commands that run a reward function in their own process."""
ENDING_SIGNALS = {signal.SIGTERM, signal.SIGHUP} if os.name == "posix" else set()
PASSED_ON_SIGNALS = ENDING_SIGNALS | {signal.SIGINT}
DONE = b"1"  # what a child says to its supervisor at the end of the command
UNHEARD = b"0"  # where its output is not what it was
CODES_WITH_SENTENCE = (1, 2)  # whoever ends the program early with these has said why
INTERRUPTED_EXIT_CODE = 130  # what a shell reports for a program that Ctrl-C stopped
MAX_SAID_FAILURES = 20
"""Of what threads, exit handlers and `__del__` raise in a process."""
MAX_SAID_FRAMES = 10
_FAILURES = itertools.count(1)
START_PANEL = "Start here"
REWARD_PANEL = "Reward"
DRIVE_PANEL = "Drive"
LOOK_PANEL = "Look"


@dataclass(frozen=True)
class Command:
    """Where a command lives (`module:attribute`, a function or a `typer.Typer`), and its line in
    `racer --help`.
    """

    place: str
    panel: str
    line: str


COMMANDS = {
    "demo": Command(
        "racer.cli.demo:demo_command",
        START_PANEL,
        "Train two rewards, race both cars, and say what physics allows.",
    ),
    "init": Command(
        "racer.cli.init:init_command",
        START_PANEL,
        "Write a starter project: a reward, its tests, an experiment.",
    ),
    "check": Command(
        "racer.cli.check:check_command",
        REWARD_PANEL,
        "Say whether a reward can crash, behaves and is accepted.",
    ),
    "rule": Command(
        "racer.cli.rule:rule_command",
        REWARD_PANEL,
        "Say what a code of racer check means, with an example and its cure.",
    ),
    "score": Command(
        "racer.cli.score:score_command",
        REWARD_PANEL,
        "Say whether a reward agrees with the clock.",
    ),
    "foresee": Command(
        "racer.cli.foresee:foresee_command",
        REWARD_PANEL,
        "Find the driving that a reward pays best, without training.",
    ),
    "explain": Command(
        "racer.cli.explain:explain_command",
        REWARD_PANEL,
        "Say which lines of a reward pay how much, or where a policy looks.",
    ),
    "map": Command(
        "racer.cli.map:map_command",
        REWARD_PANEL,
        "Draw what a reward pays all over a track.",
    ),
    "replay": Command(
        "racer.cli.replay:replay_command",
        REWARD_PANEL,
        "Price the steps of logs with a reward, and compare laps with the clock.",
    ),
    "watch": Command(
        "racer.cli.watch:watch_command",
        REWARD_PANEL,
        "Check and score a reward again on every save.",
    ),
    "tune": Command(
        "racer.cli.tune:tune_command",
        REWARD_PANEL,
        "Search better constants for a reward, and prove them by training.",
    ),
    "reward": Command(
        "racer.cli.replay:reward_command",
        REWARD_PANEL,
        "Call a reward function with the params of one step.",
    ),
    "actions": Command(
        "racer.cli.actions:app",
        DRIVE_PANEL,
        "Say what an action space allows on a track, and design one.",
    ),
    "train": Command(
        "racer.cli.train:train_command",
        DRIVE_PANEL,
        "Train a car with a reward function, or a whole experiment.",
    ),
    "runs": Command(
        "racer.cli.runs:runs_command",
        DRIVE_PANEL,
        "List trainings: best laps, where they stand, what they started from.",
    ),
    "evaluate": Command(
        "racer.cli.evaluate:evaluate_command",
        DRIVE_PANEL,
        "Drive laps with a trained car and print the lap table.",
    ),
    "challenge": Command(
        "racer.cli.challenge:challenge_command",
        DRIVE_PANEL,
        "Drive for a medal on a track: a leaderboard that stays.",
    ),
    "export": Command(
        "racer.cli.export:export_command",
        DRIVE_PANEL,
        "Write a policy as ONNX, and its experiment for DeepRacer for Cloud.",
    ),
    "import": Command(
        "racer.cli.export:import_command",
        DRIVE_PANEL,
        "Read a training set up elsewhere into an experiment for racer train.",
    ),
    "line": Command(
        "racer.cli.line:line_command",
        DRIVE_PANEL,
        "Find the fastest line around a track, and drive it.",
    ),
    "tracks": Command(
        "racer.cli.tracks:app",
        DRIVE_PANEL,
        "List, show, import, export and fetch tracks.",
    ),
    "analyze": Command(
        "racer.cli.analyze:analyze_command",
        LOOK_PANEL,
        "Read logs, ours or the real ones, and print their laps.",
    ),
    "doctor": Command(
        "racer.cli.doctor:doctor_command",
        LOOK_PANEL,
        "Say what holds a training back, what that costs, and what to do next.",
    ),
    "compare": Command(
        "racer.cli.compare:compare_command",
        LOOK_PANEL,
        "Compare two or more logs or runs, and say who is faster.",
    ),
    "plot": Command(
        "racer.cli.plot:plot_command",
        LOOK_PANEL,
        "Draw one picture of a log: racer plot --list says which there are.",
    ),
    "see": Command(
        "racer.cli.see:see_command",
        LOOK_PANEL,
        "Draw what every sensor of a car tells at a place of a track.",
    ),
    "report": Command(
        "racer.cli.report:report_command",
        LOOK_PANEL,
        "Make one page of a log that opens in any browser, offline.",
    ),
}


class _RootGroup(TyperGroup):
    """The root command. Help and suggestions come from COMMANDS; a command that is called is loaded
    first.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """`racer help COMMAND` is `racer COMMAND --help`."""
        if args[:1] == ["help"]:
            args = [*args[1:], "--help"]
        rest: list[str] = super().parse_args(ctx, args)
        return rest

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, _, rest = super().resolve_command(ctx, args)
        command = load_command(name) if name else None
        return name, command, rest

    def invoke(self, ctx: Any) -> Any:
        """The one border: what a user can mend becomes a line of text, everything else is a bug and
        shows itself.
        """
        try:
            return super().invoke(ctx)
        except RacerError as error:
            advice = _advice(ctx.invoked_subcommand, error)
            _leave(f"{error}{advice}", error.exit_code)
        except KeyboardInterrupt:
            _leave("interrupted", INTERRUPTED_EXIT_CODE)


def load_command(name: str) -> Any:
    """The click command called `name`, one of COMMANDS, with its module imported."""
    module, attribute = COMMANDS[name].place.split(":")
    command = getattr(importlib.import_module(module), attribute)
    if not isinstance(command, typer.Typer):
        function = command
        command = _new_typer()
        command.command()(function)
    return typer.main.get_command(command)


def main() -> None:
    """Run `racer` with the words of the command line; a reader that leaves early (`racer ... |
    head`) is no error.

    A command that runs a reward function is run in a child, where that can be: exit code 0 then means
    that the command came to its end, and not that the reward function ended it.
    """
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115 - as long as the process
    if sys.stdout is None:
        sys.stderr.write("racer: standard output is closed: send it to a file or to /dev/null\n")
        sys.exit(UsageError.exit_code)
    sys.unraisablehook = _say_unraisable
    threading.excepthook = _say_thread_failure
    if sys.platform == "linux" and SUPERVISED_COMMANDS & set(sys.argv[1:2]):
        _supervise()
    else:
        for number in ENDING_SIGNALS:
            if signal.getsignal(number) is signal.SIG_DFL:  # nohup has it ignored
                signal.signal(number, _end_in_order)
        _run_command(lambda: None)


def _run_command(on_done: Callable[[], None]) -> None:
    """Run the command; `on_done` is called when it came to its end, whatever its exit code."""
    try:
        try:
            app(prog_name="racer")
        except SystemExit:
            on_done()
            raise
        finally:
            sys.stdout.flush()
            _watch_exit()
    except OSError as error:
        if not _is_refused_write(error):
            raise
        # Python flushes once more at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1 if isinstance(error, BrokenPipeError) else _say_refused_write(error))


def _say_unraisable(failure: Any) -> None:
    """Say what an exit handler or a `__del__` of a reward function raised."""
    head = failure.err_msg or "Exception ignored"
    _say_exception(head, failure.exc_type, failure.exc_value, failure.exc_traceback)


def _say_thread_failure(failure: Any) -> None:
    """Say what a thread of a reward function raised, unless it was told to end."""
    if failure.exc_type is not SystemExit:
        head = f"Exception in thread {printable(str(getattr(failure.thread, 'name', '')))}"
        _say_exception(head, failure.exc_type, failure.exc_value, failure.exc_traceback)


def _say_exception(head: str, kind: type, error: BaseException, trace: TracebackType) -> None:
    """Print an exception, whose text is data; but for what racer stops a call with, and for what
    comes after many: each call may raise one.
    """
    import traceback

    if _is_stop_of_a_call(kind):
        return
    number = next(_FAILURES)
    if number > MAX_SAID_FAILURES:
        return
    place = printable("".join(traceback.format_tb(trace, -MAX_SAID_FRAMES)), keep="\n")
    only = "".join(traceback.format_exception_only(kind, error))
    # the real one: a thread may fail while what a reward prints is caught
    stream = sys.__stderr__ or sys.stderr
    stream.write(f"{head}\n{place}{printable(only.rstrip())}\n")
    if number == MAX_SAID_FAILURES:
        stream.write(f"{number} exceptions outside of calls so far: no more are shown\n")


def _is_stop_of_a_call(kind: type) -> bool:
    """Whether racer has raised such an exception, in a call that did not come back."""
    errors = sys.modules.get("racer.reward.errors")
    if errors is not None and issubclass(kind, errors.CallStopped):
        return True
    watchdog = sys.modules.get("racer.reward.watchdog")
    return kind is KeyboardInterrupt and watchdog is not None and watchdog.has_struck()


def _end_in_order(number: int, frame: FrameType | None) -> None:
    """End as a signal asks for it, behind what ends child processes and removes temporary files."""
    sys.exit(128 + number)


def _is_refused_write(error: OSError) -> bool:
    """Whether a reader left, or a disk is full."""
    return isinstance(error, BrokenPipeError) or error.errno in REFUSED_WRITES


def _say_refused_write(error: OSError) -> int:
    """The exit code, after saying what could not be written, as far as that can be written."""
    place = error.filename or "the output"
    with contextlib.suppress(OSError):
        os.write(2, f"racer: cannot write {place}: {error.strerror}\n".encode())
    return UsageError.exit_code


def _supervise() -> None:
    """Run the command in a child, and exit as it does; with 1 where it was ended before its time."""
    from racer.reward import die_with_parent

    said, said_in_child = os.pipe()
    waited_for = {signal.SIGCHLD, *PASSED_ON_SIGNALS}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, waited_for)
    parent = os.getpid()
    reward_file = mmap.mmap(-1, mmap.PAGESIZE)  # shared with the child, which names the file in it
    child = os.fork()
    if not child:
        from racer.reward import note_reward_files_in

        note_reward_files_in(reward_file)
        os.close(said)
        die_with_parent(parent)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        streams = _stream_identities()
        try:
            _run_command(lambda: _write_quietly(said_in_child, DONE))
        finally:
            if _stream_identities() != streams:
                _write_quietly(said_in_child, UNHEARD)
        return
    os.close(said_in_child)
    while True:
        number = signal.sigwaitinfo(waited_for)
        # what a terminal sends, it sends to the child itself, too
        if number.si_signo in PASSED_ON_SIGNALS and number.si_pid:
            os.kill(child, number.si_signo)
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            break
    code = os.waitstatus_to_exitcode(status)
    words = os.read(said, 2) if _is_readable(said) else b""
    os._exit(_exit_code(code, words, _text_in(reward_file)))


def _text_in(page: mmap.mmap) -> str:
    """The text at the beginning of shared memory, up to its first zero."""
    return page[:].partition(b"\0")[0].decode("utf-8", "replace")


def _exit_code(code: int, words: bytes, reward_file: str) -> int:
    """The exit code for that of a child, negative for a signal, which said DONE or UNHEARD; a sentence
    where one is due, with the reward file that was executed last.
    """
    if code == -signal.SIGINT:
        return INTERRUPTED_EXIT_CODE
    while_running = f" while {printable(reward_file)} ran" if reward_file else ""
    if code < 0:
        name = signal.Signals(-code).name
        _say(f"{name} ended the command before it was done{while_running}; nothing of it counts")
        return 1
    if UNHEARD in words:
        _say("the reward function closed or replaced the command's output; nothing of it counts")
        return code or 1
    if code not in CODES_WITH_SENTENCE and DONE not in words:
        _say(
            f"the command was ended from inside before it was done{while_running}, as os._exit in a "
            "reward function does; nothing of it counts"
        )
        return 1
    return code


def _stream_identities() -> list[tuple[int, int]]:
    """What stands behind standard output and error; nothing for one that is closed."""
    identities = []
    for descriptor in (1, 2):
        with contextlib.suppress(OSError):
            status = os.fstat(descriptor)
            identities.append((status.st_dev, status.st_ino))
    return identities


def _say(sentence: str) -> None:
    os.write(2, f"racer: {sentence}\n".encode())


def _is_readable(descriptor: int) -> bool:
    """Whether something was written, or the other end is closed; a program that the reward function
    left behind may hold that open.
    """
    return bool(select.select([descriptor], [], [], 0.0)[0])


def _write_quietly(descriptor: int, word: bytes) -> None:
    with contextlib.suppress(OSError):  # the reward function closed it
        os.write(descriptor, word)


def _watch_exit() -> None:
    watchdog = sys.modules.get("racer.reward.watchdog")
    if watchdog is not None:
        watchdog.watch_exit()


def _advice(command: str | None, error: RacerError) -> str:
    """What to do about a reward that the real job would refuse, after a command that only wanted
    its prices.
    """
    path = getattr(error, "path", "")
    if command not in PRICING_COMMANDS or not path:
        return ""
    return f"\nracer check {path} finds the smallest step that shows it"


def _leave(message: str, code: int) -> None:
    # its data was made printable where it was put in: the rest is for the escapes of others
    typer.echo(f"racer: {printable(message, keep=chr(10))}", err=True)
    raise typer.Exit(code)


def _new_typer(**options: Any) -> typer.Typer:
    return typer.Typer(
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        **options,
    )


def _print_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"racer {__version__}")
        raise typer.Exit


app = _new_typer(cls=_RootGroup, no_args_is_help=True)


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and exit.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Check, simulate and train AWS DeepRacer reward functions on a laptop."""


for _name, _command in COMMANDS.items():
    app.command(_name, help=_command.line, rich_help_panel=_command.panel)(lambda: None)
