"""What the file says: runbooks, checks, the loaders that read them, line numbers."""
