"""Virtual time, a simulated network and call ladders: the kit our tests and module authors share.
"""
