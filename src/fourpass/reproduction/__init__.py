"""The whole paper from its data sets to its tables and figures: what to fetch, which commands, and running them."""
