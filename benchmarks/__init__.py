"""What a runbook costs, each time against the same work without one. Run by ``./dev bench [name ...]``."""
