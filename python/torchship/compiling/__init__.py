"""Compiling: from a TorchScript archive to machine code inside the same archive."""
