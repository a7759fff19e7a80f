"""What is said while a runbook runs: to the one who shows it, and to those who watch."""
