"""SSH: one connection for each host, with the settings, keys and known hosts that `ssh` would use."""
