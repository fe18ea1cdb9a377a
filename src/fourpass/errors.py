"""The errors that fourpass raises on purpose: one line each, naming the value, the rule and the way out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

_Error = TypeVar("_Error", bound="FourpassError")


class FourpassError(Exception):
    """Base of every error that fourpass raises on purpose; as text it is one line made of its parts.

    Args:
        reason: what is wrong: the value and the rule.
        subject: what it is about: a file, a URL, a field; empty where the reason names it.
        hint: the way out, in words that hold for Python, the command line and the server alike.
        key: of the way out, for whoever has words of their own for it: the command line's flags are in
            `fourpass.cli.words`, the server's options in `fourpass.server.problems`. Empty where the hint will do.
        values: numbers and names that such words need.

    Attributes: as the arguments.
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
        """Return the same error about another subject, or about one where it had none."""
        other = type(self).__new__(type(self))
        other.args = self.args
        other.__dict__.update(self.__dict__, subject=str(subject))
        return other


def line(subject: str, reason: str, hint: str) -> str:
    """Return the one line that an error's parts make: ``subject: reason; hint``."""
    said = " ".join(f"{reason}; {hint}".split() if hint else reason.split())  # a subject's line breaks are its own
    return f"{subject}: {said}" if subject else said


class ConfigError(FourpassError):
    """An option, a recipe or an argument that cannot be carried out as given."""


class ImageError(FourpassError):
    """A picture that cannot be read, is refused, or cannot be written."""


class WeightsError(FourpassError):
    """A weights file that is missing, damaged, of another architecture or not trusted."""


class DatasetError(FourpassError):
    """A folder of training or evaluation data that is not laid out or not filled as it must be."""


class BackendError(FourpassError):
    """An inference backend, or an optional extra, that is missing or fails."""


class MetricError(FourpassError):
    """Pictures that a quality metric is not defined for: wrong shape, range or size, or nothing in them to measure."""


class MetricUnavailableError(MetricError):
    """A metric that needs a file which is not here; tables show what it needs instead of a value."""


def missing_extra(extra: str, package: str) -> BackendError:
    """Return the error for an optional dependency that is not installed.

    Args:
        extra: name of the fourpass extra that brings it, for example ``train``.
        package: the importable package that is missing, for example ``torch``.
    """
    return BackendError(f"{package} is not installed", hint=f"bring it with: pip install 'fourpass[{extra}]'")
