"""What the page of a comparison says and draws."""
