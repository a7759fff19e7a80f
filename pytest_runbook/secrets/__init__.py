"""Secrets: where they are read from, which values are sensitive, and how they are masked in every output."""
