"""Finding, loading, proving and running models: the only room that imports torch and transformers."""
