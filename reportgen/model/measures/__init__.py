"""Measures that need the model itself: its unembedding, its distribution, its weights."""
