"""Strangers' files and values read strictly: YAML with its lines, what is wrong and where it stands."""
