"""Archives as `compile` and `convert` read them.

How the parts depend on each other, each on those above it:

    calls         a call of a method, and the sizes that vary in it
    values        values and sizes as a manifest or the file itself has them
    given         inputs that an exported program was made with
    subject       an archive: its methods, samples, and the module that runs them
    signature     what a program that was made of a method takes and gives, for a manifest
    describe      what torchship.info says of a method, for a manifest
    examples      inputs on the command line
    options       options that commands share
"""
