"""Metadata of the wheel: what it requires, above all the torch minor that it was built with."""

from importlib.metadata import version


def dynamic_metadata(settings, project):
    major, minor = version("torch").split(".")[:2]
    # Golden samples are written with safetensors, which needs numpy for tensors.
    return {"dependencies": [f"torch=={major}.{minor}.*", "numpy", "safetensors>=0.4"]}


def dynamic_wheel(settings):
    return {"dependencies": True}
