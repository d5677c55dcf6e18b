"""See and compare what happens inside language models, on paper."""
