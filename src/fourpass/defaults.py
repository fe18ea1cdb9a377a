"""What runs when nobody chooses; imports nothing, so that every layer and the first line of the package may ask."""

DEFAULT_MODEL = "swift"  # the packaged family that runs when nobody names a model
