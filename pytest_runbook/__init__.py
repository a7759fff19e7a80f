"""Runbooks as tests: a pytest plugin and an engine that runs runbook files and checks what they gave."""
