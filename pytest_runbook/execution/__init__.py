"""The execution of one block: its handle, context, attempts and retries, assertions, and result."""
