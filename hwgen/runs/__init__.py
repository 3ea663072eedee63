"""Run directories with snapshots, checkpoint and log; exported models."""

from hwgen.runs.run_directory import Run, begin_or_continue, find_run, last_logged, logged

__all__ = ["Run", "begin_or_continue", "find_run", "last_logged", "logged"]
