"""Pictures as arrays and as files, without torch."""
