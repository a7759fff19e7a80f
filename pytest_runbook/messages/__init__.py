"""Messages of a running runbook to its client, and events for monitoring."""
