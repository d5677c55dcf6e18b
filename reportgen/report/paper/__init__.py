"""What the process that prints does in WeasyPrint's place."""
