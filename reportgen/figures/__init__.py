"""Descriptions of figures, and under `draw/` the only code that imports matplotlib."""
