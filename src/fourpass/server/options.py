"""What a client may ask for: the options of the command line, as form fields."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fourpass.errors import ConfigError
from fourpass.imaging import formats
from fourpass.server.problems import ProblemError


class Options(BaseModel):
    """How to upscale; one of the size fields, or none for the model's usual scale."""

    model_config = ConfigDict(extra="forbid")

    scale: float | None = Field(None, gt=0, le=1000, description="Output pixels an input pixel, along each axis.")
    width: int | None = Field(None, gt=0, le=2**20, description="Output columns.")
    height: int | None = Field(None, gt=0, le=2**20, description="Output rows.")
    longest: int | None = Field(None, gt=0, le=2**20, description="Pixels along the longer side.")
    megapixels: float | None = Field(None, gt=0, le=1e6, description="Output area in millions of pixels.")
    fit: str | None = Field(None, pattern=r"^\d{1,7}x\d{1,7}$", description="Box to fit into, 1920x1080 say.")
    strength: float | None = Field(None, ge=0, le=1, description="0 faithful to 1 perceptual; default: the model's.")
    restore: Annotated[float, Field(ge=0, le=1)] | Literal["auto"] = Field(
        "auto", description="0 as it is to 1 cleaned of JPEG's blocks, noise and blur; auto: as the picture needs."
    )
    format: str | None = Field(None, description="png, jpg, webp, tiff, avif, ...; default: as the input.")
    quality: int | None = Field(None, ge=1, le=100, description="Of JPEG, WebP and AVIF.")
    strip: bool = Field(False, description="Leave out metadata but for the colour profile.")
    self_ensemble: bool = Field(False, description="Average over eight turns and flips: better, 8 times the work.")

    def size(self) -> dict[str, Any]:
        """Return the wanted size, as `fourpass.jobs.one_file.UpscaleOptions` takes it; empty where there is none."""
        names = ("scale", "width", "height", "longest", "megapixels")
        wanted: dict[str, Any] = {name: value for name in names if (value := getattr(self, name)) is not None}
        if self.fit is not None:
            columns, rows = self.fit.split("x")
            wanted["fit"] = (int(columns), int(rows))
        return wanted

    def key(self) -> str | None:
        """Return the format that is asked for, a key of `fourpass.imaging.formats.FORMATS`.

        Raises:
            ConfigError: it is not one that is written.
        """
        if self.format is None:
            return None
        key = format_key(self.format)
        if key not in formats.WRITTEN:
            raise ConfigError(f"{self.format[:20]!r} is not one of {', '.join(formats.WRITTEN)}", subject="format")
        return key


def format_key(name: str) -> str:
    """Return the key of a format that is named by its key or its suffix, with or without a dot; or the name itself."""
    plain = name.lower().lstrip(".")
    return formats.SUFFIXES.get(f".{plain}", plain)


def parse(fields: dict[str, str]) -> Options:
    """Check form fields; an empty one counts as not given.

    Raises:
        ProblemError: 422, a field is unknown or its value out of range, or there are two sizes.
    """
    try:
        options = Options.model_validate({name: value for name, value in fields.items() if value != ""})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][:1])
        known = f"; known keys are {', '.join(Options.model_fields)}" if first["type"] == "extra_forbidden" else ""
        raise ProblemError(422, f"{where}: {first['msg']}{known}") from None
    if len(options.size()) > 1:
        raise ProblemError(422, f"{' and '.join(options.size())} were given; the size takes one of them")
    return options
