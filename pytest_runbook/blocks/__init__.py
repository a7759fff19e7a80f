"""One kind of block per file: what it tells the blocks below, and its work."""
