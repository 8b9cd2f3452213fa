"""SIP on paper: messages, fields and URIs. Pure: no I/O, no clock, no Twisted."""
