"""What writes the pages of the reference while the documentation is built; none of it ships."""
