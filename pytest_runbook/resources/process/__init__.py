"""Programs of blocks: start, output, process groups, and their end."""
