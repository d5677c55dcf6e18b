"""What a report says, in its reading order, before any template sees it."""
