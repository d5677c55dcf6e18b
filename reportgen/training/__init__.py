"""What trained probes share: how they read representations, the model's and its twin's."""
