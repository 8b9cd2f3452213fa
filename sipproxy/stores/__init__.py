"""What is remembered: bindings, and how they survive."""
