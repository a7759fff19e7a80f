"""Terminals: programs in them, code that is typed, and the text on the screen."""
