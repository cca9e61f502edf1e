"""Compiled engines for archives, and the way from TorchScript to an exported program."""
