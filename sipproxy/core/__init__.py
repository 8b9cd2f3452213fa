"""The proxy itself: what RFC 3261 section 16 and 10 ask for, and the pipeline of modules."""
