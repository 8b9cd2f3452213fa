"""The command line: people and scripts."""
