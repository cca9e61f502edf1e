"""Converting: a TorchScript archive from an exported program, and the other way round.

How the parts depend on each other, each on those above it:

    probes       calls that the source and what is made of it are to be compared on
    checking     the comparison, in torchship and in stock PyTorch
    carried      what goes along: manifest, samples, engines
    boundary     an exported program with the arguments and results of a method
    making       the file of either format
    convert      the whole way, and what the caller gets
    command      `torchship convert`
"""
