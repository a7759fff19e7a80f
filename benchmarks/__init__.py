"""Measures what runbooks cost, each time against the same work without one. Run by ``./dev bench [name ...]``."""
