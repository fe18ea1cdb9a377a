"""Turn measured rows into the tables and figures of the paper, next to the paper's values."""
