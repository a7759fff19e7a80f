"""What a run may do: allowed block types, hosts and URLs, effects, environments, requirements."""
