"""Virtual time, a simulated network, call ladders: the kit our tests and module authors share."""
