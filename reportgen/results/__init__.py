"""What was found, with its meaning, and the bundle that holds it on disk."""
