"""The context of blocks: variables, environment, directory, host and output, and how they are resolved and stored."""
