"""Database sessions that stay open between blocks, and threads for blocking drivers."""
