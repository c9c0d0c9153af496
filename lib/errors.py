"""The whole error tree, grouped by what the caller can do about each.

Every message says what happened, where, and what to do next. `exit_status` is what a job ends with when the error
reaches it (DESIGN: 2 usage or configuration, 3 checks failed, 4 source failed or incomplete, 1 anything else).
"""

from __future__ import annotations


class PagelakeError(Exception):
    """Anything that Pagelake raises on purpose."""

    exit_status = 1


class ConfigError(PagelakeError):
    """The command line, a source YAML, a suite or the environment is wrong. Nothing was touched: fix it and start again."""

    exit_status = 2

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows (IPython asks for it): the sentence, which says what to do, and no traceback."""
        return [str(self)]


class NotInThisLakeError(ConfigError):
    """What a notebook goes on to show is not in this lake: it ends there, and nothing is wrong."""


class SourceError(PagelakeError):
    """The source answered with something that cannot be taken. The table concerned is not merged."""

    exit_status = 4


class RetryableSourceError(SourceError):
    """The same request may succeed a little later. Never leaves `lib.source`: the last one becomes a `SourceError`."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class SourceIncompleteError(SourceError):
    """What landed is not all that the source had. The table is not merged: run again, or resume."""


class ContractError(SourceError):
    """The rows do not keep the contract of the source YAML in a way that stops the table (too many rejected, too many deleted)."""


class ChecksFailedError(PagelakeError):
    """A critical expectation failed. The tables are merged; the current publication stays as it was."""

    exit_status = 3


class CouldNotCheckError(PagelakeError):
    """A check could not be carried out, which is another thing than bad data."""


class LakeError(PagelakeError):
    """The lake is in a state that Pagelake does not understand or could not write."""


class StoreError(LakeError, OSError):
    """The object store of a lake refuses, is not there, or has no answer. It is an OSError, as a failure of a file system is."""

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows: the sentence, and no traceback."""
        return [str(self)]


class ExportError(PagelakeError):
    """A sink did not take the metrics of a run, or MLflow a training: it becomes a line of the log."""
