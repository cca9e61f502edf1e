"""Folders that run an archive on machines that have nothing else: `torchship bundle`."""

from torchship.bundling.listing import Bundle, BundledFile
from torchship.bundling.make import bundle

__all__ = ["Bundle", "BundledFile", "bundle"]
