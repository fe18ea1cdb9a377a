"""Files to files, for command line, batch and server alike: what becomes of what, what is done already, a report."""
