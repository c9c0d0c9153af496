"""What came of a number of checks, in the one wording that the terminal, the site, the data docs and the notebooks have."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass
from typing import Any


@dataclass(frozen=True)
class Counts:
    """Expectations by what came of them, the worst first. Each is counted once.

    `critical` failed and hold up a publication; `unchecked` could not be checked, whatever their severity, and hold it up as well;
    `warnings` failed and only report; `passed` hold.
    """

    critical: int
    unchecked: int
    warnings: int
    passed: int

    @classmethod
    def recorded(cls, check: Any) -> Counts:
        """Those of a `lib.lake.checks.Check`."""
        return cls(check.failed, check.unchecked, check.warnings, check.passed)

    @classmethod
    def total(cls, several: Iterable[Counts]) -> Counts:
        """Those of several tables together."""
        columns = list(zip(*map(astuple, several), strict=True))
        return cls(*map(sum, columns)) if columns else cls(0, 0, 0, 0)

    @property
    def checked(self) -> int:
        """All of them."""
        return self.critical + self.unchecked + self.warnings + self.passed

    @property
    def shape(self) -> str:
        """Which mark goes with them: `bad` where something holds up a publication, `open` for warnings alone, or for nothing."""
        if self.critical or self.unchecked:
            return "bad"
        return "open" if self.warnings or not self.checked else "good"

    @property
    def troubles(self) -> tuple[str, ...]:
        """What is not as it should be, a phrase each, the worst first."""
        phrases = {
            f"{self.critical:,} critical failed": self.critical,
            f"{self.unchecked:,} could not be checked": self.unchecked,
            f"{self.warnings:,} warning{'' if self.warnings == 1 else 's'}": self.warnings,
        }
        return tuple(phrase for phrase, number in phrases.items() if number)

    @property
    def short(self) -> str:
        """For a table beside others: `1 critical failed, 2 warnings, 20 passed`."""
        return ", ".join([*self.troubles, f"{self.passed:,} passed"])

    def __str__(self) -> str:
        """A whole phrase: `1 critical failed, 2 warnings, 68 of 71 checks passed`, or `all 71 checks passed`."""
        if not self.checked:
            return "nothing was checked"
        checks = f"{self.checked:,} check{'' if self.checked == 1 else 's'}"
        if not self.troubles:
            return f"{checks} passed" if self.checked == 1 else f"all {checks} passed"
        return ", ".join([*self.troubles, f"{self.passed:,} of {checks} passed"])
