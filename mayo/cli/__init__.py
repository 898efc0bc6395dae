"""Floor 7: the words on the command line, read left to right, build a configuration and act on it."""
