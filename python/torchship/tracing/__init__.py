"""Tracing that is checked: what a trace loses or bakes in is found, named and, if wanted, refused.

How the parts depend on each other, each on those above it:

    findings, places     what is reported, and where the user's own line is
    structure            nested Python values as flat tensors, and their TorchScript types
    arguments            example inputs bound to a method's parameters
    script               the TorchScript module made of a function or module
    observe              what leaves the tensors for Python while a trace is taken
    state, inputs        what a call changes; fresh inputs
    replay, dimensions   the trace beside the eager model, at other values and sizes
    hazards              findings out of all that
    manifest, traced     what is written, and what the caller gets
    options              what may be asked for
"""
