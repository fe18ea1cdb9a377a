"""The defaults; this module imports nothing, so any other module can import it."""

DEFAULT_MODEL = "swift"  # the packaged family that runs if no model is named
