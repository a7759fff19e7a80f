"""The settings of SSH connections, from ssh_config files and runbooks."""
