"""Sparse autoencoders: dictionaries of features that other programs trained, found, checked, loaded and applied.

Only `dictionary` imports torch; what the plan asks is answered from headers and configurations.
"""
