"""The battery as a person writes it: entries, their checks, their JSON Schema."""
