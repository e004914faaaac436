"""The door: commands and exit codes."""
