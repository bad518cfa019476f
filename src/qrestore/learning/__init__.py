"""The restoring networks, how they are trained, and their weights. The only home of torch on the CPU path."""
