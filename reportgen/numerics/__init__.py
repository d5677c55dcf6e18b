"""One definition a quantity, on the arrays' own namespace: numpy or torch, importing neither torch nor a model."""
