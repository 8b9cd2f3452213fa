"""Measurements of the server by real programs: SIPp drives it, Kamailio is the yardstick.

``python -m bench`` measures, ``python -m bench.soak`` wears the server down.  The tests under
``tests/live`` share the scenarios and the helpers of this folder.
"""
