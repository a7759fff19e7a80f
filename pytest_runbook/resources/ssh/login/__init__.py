"""Logging in to SSH hosts: identities, host keys and errors."""
