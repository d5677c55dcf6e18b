"""Figures drawn from their descriptions: the only room that imports matplotlib."""
