"""The list of targets."""

import importlib

from fuzz.target import Target

MODULES = {
    "settings": "readers",
    "scenario": "readers",
    "cluster": "readers",
    "trace": "readers",
    "instance_types": "readers",
    "words": "readers",
    "logs": "readers",
    "evidence": "readers",
    "documents": "evidence",
    "long_texts": "evidence",
    "archives": "evidence",
    "command": "command",
    "ipam_json": "journals",
    "sqlite": "journals",
    "ec2_requests": "ec2",
    "ec2_calls": "ec2",
    "ec2_answers": "ec2",
    "http": "serving",
    "cni": "cni",
    "agent": "cni",
    "address_pools": "pools",
    "bitmap_pools": "pools",
}
"""The module of each target, by the target's name. Only the fuzzed one is imported, since instrumenting takes seconds."""


def find_target(name: str) -> Target:
    """Import the module of a target, and return the target."""
    targets: tuple[Target, ...] = importlib.import_module(f"fuzz.{MODULES[name]}").TARGETS
    return next(target for target in targets if target.name == name)
