"""The page of a history of bundles."""
