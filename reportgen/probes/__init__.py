"""Which probes there are, and each of them: a module, or a folder of its face, what measures, draws and tells."""
