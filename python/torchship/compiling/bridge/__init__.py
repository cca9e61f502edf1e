"""From a TorchScript method to an exported program.

How the parts depend on each other, each on those above it:

    problems             the error, and the author's line in it
    code                 a graph as blocks of steps
    numbers, plain       sizes that a trace keeps as tensors; operators on plain values
    operators, special   operators on tensors: of ATen and libraries, and of TorchScript alone
    prims                TorchScript's own nodes
    lifting, branches    what depends on data: torch.cond, torch.while_loop, assertions
    weights              the module's tensors under their names
    interpreter, runner  running a method, as a module that torch.export traces
    sizes, exporting     which sizes may vary, and torch.export
    checking, making     the program beside the method, and the whole way
"""

from torchship.compiling.bridge.making import Exported, exported
from torchship.compiling.bridge.problems import BridgeError
from torchship.compiling.bridge.sizes import Range, Restriction

__all__ = ["BridgeError", "Exported", "Range", "Restriction", "exported"]
