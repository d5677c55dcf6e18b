"""A bundle into pages, slides and figure files; what was made before is kept."""
