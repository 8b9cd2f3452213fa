"""The transactions of RFC 3261 section 17. Pure: time is an argument, output is a list."""
