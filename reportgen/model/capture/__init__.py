"""What passes through a model, taken and edited on the way, once it is proven to be there."""
