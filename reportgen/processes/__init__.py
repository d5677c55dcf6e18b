"""Processes of our own: a module run apart, and a command that is watched while it runs."""
