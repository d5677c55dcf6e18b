"""A file a probe."""
