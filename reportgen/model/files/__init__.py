"""What a model's files say before anything is loaded: sources, configurations, weights' headers, hashes."""
