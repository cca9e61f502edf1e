"""The files of a bundle that say what it is."""

import json

from torchship.bundling.listing import LICENSES, LISTING, Bundle


def listing_text(bundle: Bundle) -> str:
    return json.dumps(bundle.to_json(), indent=2) + "\n"


def readme_text(bundle: Bundle) -> str:
    """README.txt: how to run the bundle, what it needs and what is in it."""
    libraries = "".join(f" --op-library {path}" for path in bundle.operator_libraries)
    versions = ", ".join(f"{name} {version}" for name, version in bundle.versions.items())
    device = "" if bundle.device == "cpu" else f" --device {bundle.device}"
    lines = [
        f"{bundle.archive} with all that it takes to run it: {versions}",
        "",
        f"  bin/torchship info {bundle.archive}",
        f"  bin/torchship check {bundle.archive}{device}{libraries}",
        f"  bin/torchship run {bundle.archive}{device}{libraries} -i NAME=VALUE",
        "",
        "The folder can be moved, be read-only and belong to another user. bin/torchship may be",
        "reached through a symbolic link; bin/torchship doctor says what is on the machine.",
        "",
        bundle.to_text(),
        f"{LISTING} lists every file with its SHA-256, {LICENSES}/README.txt its licence.",
        "",
    ]
    return "\n".join(lines)
