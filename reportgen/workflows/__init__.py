"""What a command or a call from Python does, from files to files."""
