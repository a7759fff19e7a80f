"""What blocks tell the blocks below them: variables, environment, directory, host, and what a run left."""
