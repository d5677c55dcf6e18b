"""How reportgen compares with a notebook, with the least that the same numbers cost, and with itself: `make bench`."""
