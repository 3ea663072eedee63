"""Any generator to a synthetic store: plan, draw, filter, and an account of what was accepted."""
