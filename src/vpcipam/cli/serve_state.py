"""The files that `vpcipam serve` starts from and writes."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vpcipam._toml import parse_toml
from vpcipam.cli.streams import open_text
from vpcipam.errors import InvalidArgument, VpcIpamError, file_trouble

if TYPE_CHECKING:
    from vpcipam.ec2.model import Ec2Model
    from vpcipam.ec2.resources import MetadataOptions

_LONGEST = 1 << 26
"""The most characters of a file: one without an end must not fill the memory."""
_OF_SCENARIOS = {"group", "workload", "subnet"}


class StateError(VpcIpamError):
    """A file is no state of an account."""


def load(files: tuple[str, ...], *, imds_v1: bool = False) -> "tuple[Ec2Model, tuple[str, ...]]":
    """Read a world, a scenario, or EC2's answers, into a model. Return it with notes about what is not known.

    With `imds_v1`, instances that don't say otherwise need no token (IMDSv1).

    Raises:
        StateError: a file is none of these, or there is another file beside a world or a scenario.
    """
    from vpcipam.ec2.described import ANSWERS, world_of_answers  # noqa: PLC0415 - only `serve` needs them
    from vpcipam.ec2.model import Ec2Model  # noqa: PLC0415 - likewise
    from vpcipam.ec2.resources import MetadataOptions  # noqa: PLC0415 - likewise
    from vpcipam.ec2.worlds import WorldError  # noqa: PLC0415 - likewise

    defaults = MetadataOptions(http_tokens="optional") if imds_v1 else MetadataOptions()
    documents = [(file, _read(file)) for file in files]
    answers = [document for _, document in documents if ANSWERS & document.keys()]
    others = [(file, document) for file, document in documents if not ANSWERS & document.keys()]
    if others and len(documents) > 1:
        raise StateError(f"{others[0][0]}: give only one --state, or several answers of EC2 (`aws ec2 describe-…`)")
    try:
        if answers:
            world, notes = world_of_answers(answers)
            return Ec2Model.from_world(world, metadata_defaults=defaults), notes
        for file, document in others:
            if _OF_SCENARIOS & document.keys():
                return _scenario_model(file, defaults), ()
            return Ec2Model.from_world(document, metadata_defaults=defaults), ()
    except WorldError as error:
        raise StateError(f"{', '.join(files)}: {error}") from None
    return Ec2Model(metadata_defaults=defaults), ()


def _scenario_model(file: str, defaults: "MetadataOptions") -> "Ec2Model":
    from vpcipam.fleet.ec2_setup import set_up_ec2  # noqa: PLC0415 - only scenarios need it
    from vpcipam.fleet.scenario import Scenario  # noqa: PLC0415 - likewise

    model, _ = set_up_ec2(Scenario.load(file), defaults)
    return model


def _read(file: str) -> Mapping[str, Any]:
    with open_text(file) as stream:
        try:
            text = stream.read(_LONGEST + 1)
        except UnicodeDecodeError as error:
            raise StateError(f"{file}: {file_trouble(error)}") from None
    if len(text) > _LONGEST:
        raise StateError(f"{file}: it is longer than {_LONGEST:,} characters; give a part of the account")
    try:
        document = parse_toml(text) if file.endswith(".toml") else json.loads(text)
    except InvalidArgument as error:
        raise StateError(f"{file}: {error}") from None
    except (ValueError, RecursionError) as error:
        kind = "TOML" if file.endswith(".toml") else "JSON"
        raise StateError(f"{file}: it is not {kind}: {error}") from None
    if not isinstance(document, dict):
        raise StateError(f"{file}: it must be an object with lists such as vpcs and subnets, or an answer of EC2")
    return document


def writable(file: str) -> Path:
    """Return the path of a file to write, whose folder exists.

    Raises:
        StateError: it is no folder.
    """
    path = Path(file)
    if path.is_dir() or not path.parent.is_dir():
        raise StateError(f"can't save to {file}: its folder does not exist, or it is a folder itself")
    return path
