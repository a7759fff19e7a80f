"""All blocks of one runbook: their contexts, the flow from one to the next, and what stays open meanwhile."""
