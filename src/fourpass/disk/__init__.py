"""Files as things on a disk: written whole or not at all, and never over what is read."""
