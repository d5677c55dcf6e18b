"""Features of sparse dictionaries as the `sae_` probes share them: which dictionaries, what features are called."""
