"""One block, once: its handle, what it gets, its lifecycle, assertions and result."""
