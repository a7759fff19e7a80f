"""Blocks that run SQL: sqlite, postgres, mysql, clickhouse."""
