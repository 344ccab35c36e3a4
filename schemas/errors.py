"""The three kinds of error that Watchkeeper knows, and what each one obliges its catcher to do."""

from __future__ import annotations


class WatchkeeperError(Exception):
    """Base of every error that Watchkeeper raises on purpose.

    The message is one line: what was expected, what came, where, and the mend.
    """


class Reject(WatchkeeperError):  # noqa: N818 - the three kinds are verbs: what the catcher does
    """One input cannot be used: put it to the dead letters and go on.

    Parameters
    ----------
    reason
        A word from a closed set (see `consumers.rejects`); it becomes a metric label.
    message
        What was expected and what came, for the person who reads the dead letter.
    model
        The model that the input names, as far as it could be read.
    """

    def __init__(self, reason: str, message: str, *, model: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.model = model


class Retry(WatchkeeperError):  # noqa: N818
    """A server did not answer or answered that it cannot now: try the same again later."""


class Stop(WatchkeeperError):  # noqa: N818
    """Going on would be wrong: say why on one line and end with `exit_code`.

    Parameters
    ----------
    message
        One line with the mend.
    exit_code
        2 for settings and unreadable input (the default), 1 for a server that is not fit.
    """

    def __init__(self, message: str, *, exit_code: int = 2) -> None:
        super().__init__(message)
        self.exit_code = exit_code
