"""The error family: what a user can mend, said in a sentence. Everything else is a bug and shows its traceback."""


class RacerError(Exception):
    """Something a user can mend. The message says what is wrong, where, and what to do next."""

    exit_code = 1


class UsageError(RacerError):
    """Wrong use: an unknown name, a missing file, a file that is not what it should be, a missing extra."""

    exit_code = 2


class RewardError(RacerError):
    """A reward function did what the real training job refuses."""


def did_you_mean(word: str, known: list[str]) -> str:
    """`: did you mean 'x'?` for the known word nearest to `word`, or an empty string."""
    import difflib

    near = difflib.get_close_matches(word, known, n=1)
    return f": did you mean {near[0]!r}?" if near else ""
