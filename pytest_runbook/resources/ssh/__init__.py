"""Other hosts: one connection for each, with the settings, keys and known hosts that `ssh` would use."""
