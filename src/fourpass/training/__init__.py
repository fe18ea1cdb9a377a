"""The training phases, and the one loop that they share."""
