"""What a store, a run, raw files and this machine hold."""
