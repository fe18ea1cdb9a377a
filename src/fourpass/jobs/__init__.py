"""Jobs on files, for the command line, batch and server: pair inputs with outputs, resume, report."""
