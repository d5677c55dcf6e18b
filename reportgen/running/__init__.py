"""A battery planned and run: each prompt through each model once, each probe on what it gave."""
