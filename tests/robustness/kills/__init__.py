"""Commands killed with SIGKILL at any moment and run again."""
