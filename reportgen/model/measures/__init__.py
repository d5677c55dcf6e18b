"""Measures that need the model beside them: its unembedding, its distribution, its weights."""
