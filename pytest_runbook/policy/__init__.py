"""The permissions of a run: allowed block types, hosts and URLs, effects, environments, requirements."""
