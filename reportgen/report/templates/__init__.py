"""Jinja as this project uses it, a lab's own templates, and the bounds that they run in."""
