"""Apache syntax in, checked values out. Pure."""
