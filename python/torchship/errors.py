"""The exceptions of torchship: the same five as in C++ (torchship/error.h)."""


class Error(Exception):
    """Base of them all.

    `message` is one line: which file, which value, what was expected and what was found. `hint`
    says what to do about it, and may be empty.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class ArchiveError(Error):
    """The file is absent, unreadable, damaged, not a model, or made for another torch."""


class SignatureError(Error, ValueError):
    """The values do not fit the method: number, names, kinds, dtypes or shapes."""


class DeviceError(Error):
    """The device does not exist in this process."""


class EngineError(Error, RuntimeError):
    """The model was called as its signature asks, and failed while it ran."""
