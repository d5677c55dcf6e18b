"""A network in memory: the parts that probes read, found by structure and by what they do."""
