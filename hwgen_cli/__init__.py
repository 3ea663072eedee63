"""The command line: each command in a module of its name, and helper modules that they share."""
