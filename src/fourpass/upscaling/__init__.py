"""Pictures to larger pictures: models, tiles, streams, sizes, colour, what is true to the input."""
