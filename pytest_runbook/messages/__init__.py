"""Messages of a running runbook: to the client that shows it, and events for those who monitor it."""
