"""Measured rows turned into the tables and figures of the paper, ours beside theirs."""
