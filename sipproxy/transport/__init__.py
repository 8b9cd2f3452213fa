"""Sockets: where Twisted meets the pure layers."""
