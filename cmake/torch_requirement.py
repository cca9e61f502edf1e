"""Metadata of the wheel: it requires the torch minor version that it was built with."""

from importlib.metadata import version


def dynamic_metadata(settings, project):
    major, minor = version("torch").split(".")[:2]
    return {"dependencies": [f"torch=={major}.{minor}.*"]}


def dynamic_wheel(settings):
    return {"dependencies": True}
