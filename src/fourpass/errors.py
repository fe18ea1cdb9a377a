"""The errors that fourpass raises on purpose: one line each, with the value, the rule and a suggested fix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

_Error = TypeVar("_Error", bound="FourpassError")


class FourpassError(Exception):
    """Base of every error that fourpass raises on purpose; its text is one line made of its parts.

    Args:
        reason: what is wrong: the value and the rule that it breaks.
        subject: what the error is about: a file, a URL, a field; empty if the reason names it.
        hint: a suggested fix, in words that suit Python, the command line and the server.
        key: identifies the hint, so that an interface can use its own words: the command line's are in
            `fourpass.cli.words`, the server's in `fourpass.server.problems`. Empty if the hint suits all.
        values: numbers and names to insert into those words.

    Attributes: the same as the arguments.
    """

    def __init__(
        self,
        reason: str,
        *,
        subject: object = "",
        hint: str = "",
        key: str = "",
        values: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.subject = str(subject)
        self.hint = hint
        self.key = key
        self.values = dict(values or {})

    def __str__(self) -> str:
        return line(self.subject, self.reason, self.hint)

    def about(self: _Error, subject: object) -> _Error:
        """Return the same error with this subject instead of its own."""
        other = type(self).__new__(type(self))
        other.args = self.args
        other.__dict__.update(self.__dict__, subject=str(subject))
        return other


def line(subject: str, reason: str, hint: str) -> str:
    """Join an error's parts into one line: ``subject: reason; hint``."""
    said = " ".join(f"{reason}; {hint}".split() if hint else reason.split())  # line breaks in a subject are kept
    return f"{subject}: {said}" if subject else said


class ConfigError(FourpassError):
    """An option, a recipe or an argument that is invalid."""


class ImageError(FourpassError):
    """A picture that cannot be read or written, or that a limit rejects."""


class WeightsError(FourpassError):
    """A weights file that is missing, damaged, untrusted or made for another architecture."""


class DatasetError(FourpassError):
    """A folder of training or evaluation data with the wrong layout or with missing files."""


class BackendError(FourpassError):
    """An inference backend or an optional extra that is missing or fails."""


class MetricError(FourpassError):
    """Pictures that a quality metric is not defined for: wrong shape, range or size, or nothing in them to measure."""


class MetricUnavailableError(MetricError):
    """A metric that needs a file that is missing; tables say what it needs instead of showing a value."""


def missing_extra(extra: str, package: str) -> BackendError:
    """Return the error for an optional dependency that is not installed.

    Args:
        extra: name of the fourpass extra that installs it, for example ``train``.
        package: the importable package that is missing, for example ``torch``.
    """
    return BackendError(f"{package} is not installed", hint=f"install it with: pip install 'fourpass[{extra}]'")
