"""The errors that fourpass raises on purpose: one line each, naming the value, the rule and the way out."""

from __future__ import annotations


class FourpassError(Exception):
    """Base of every error that fourpass raises on purpose; the command line prints it as one line."""


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
    return BackendError(f"{package} is not installed; bring it with: pip install 'fourpass[{extra}]'")
