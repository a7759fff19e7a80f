"""The block types, one file for each kind: the context that it gives the blocks below, and its work."""
