"""A modular SIP proxy, redirect server and registrar whose pipeline can be read, checked and
explained.
"""

__version__ = "0.1.0"
