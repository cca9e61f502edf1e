"""Exported programs: `trace(..., via="export")`, which keeps both ways of a branch.

How the parts depend on each other, each on those above it:

    calls        how a program is called: plain containers in and out, and its signature
    explain      what torch.export says, as findings at the author's own line
    nodes        what a program's graph shows by itself
    sizes        which sizes the program lets vary, beside those that were wanted
    program      torch.export, in the modes and at the sizes that keep most
    evidence     findings about a program that was put to the test
    traced       what the caller gets
"""
