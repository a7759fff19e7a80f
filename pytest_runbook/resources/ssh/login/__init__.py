"""Logging in to SSH hosts: credentials, host keys, and errors of the way there."""
