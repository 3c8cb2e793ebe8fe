"""The command line: flags, verbs, and the way from an error to an exit code."""
