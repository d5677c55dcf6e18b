"""A deck of slides, as PDF and as PowerPoint."""
