"""What a probe is, and what it may ask for: the one address for probes of other distributions."""
