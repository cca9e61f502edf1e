"""The files of a bundle that say what it is, and how it is run."""

import json
import shlex

from torchship.bundling.listing import LICENSES, LISTING, Bundle


def listing_text(bundle: Bundle) -> str:
    return json.dumps(bundle.to_json(), indent=2) + "\n"


def command_line(bundle: Bundle, command: str, folder: str = "") -> str:
    """For a shell: a command of the bundle, in it, or where `folder` is its path with a slash."""
    device = [] if bundle.device == "cpu" else ["--device", bundle.device]
    libraries = [
        part for path in bundle.operator_libraries for part in ("--op-library", folder + path)
    ]
    program, archive = f"{folder}bin/torchship", folder + bundle.archive
    return shlex.join([program, command, archive, *device, *libraries])


def readme_text(bundle: Bundle) -> str:
    """README.txt: how to run the bundle, what it needs and what is in it."""
    versions = ", ".join(f"{name} {version}" for name, version in bundle.versions.items())
    lines = [
        f"{bundle.archive} with all that it takes to run it: {versions}",
        "",
        f"  bin/torchship info {shlex.quote(bundle.archive)}",
        f"  {command_line(bundle, 'check')}",
        f"  {command_line(bundle, 'run')} -i NAME=VALUE",
        "",
        "The folder can be moved, be read-only and belong to another user. bin/torchship may be",
        "reached through a symbolic link; bin/torchship doctor says what is on the machine.",
        "",
        bundle.to_text(),
        f"{LISTING} lists every file with its SHA-256, {LICENSES}/README.txt its licence.",
        "",
    ]
    return "\n".join(lines)
