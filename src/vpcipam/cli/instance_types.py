"""Instance types as arguments: their names, completion, and `--types` for types newer than the table."""

from fnmatch import fnmatchcase

import click

from vpcipam.cli.command import FILE
from vpcipam.cli.streams import open_text
from vpcipam.errors import InvalidArgument, UnknownInstanceType, file_trouble
from vpcipam.limits import InstanceLimits, instance_limits, instance_types, load_limits, unknown_type_text

_LONGEST = 1 << 26  # EC2's answer for all types has a few million characters
_ADVICE = "give what `aws ec2 describe-instance-types --output json` prints"


def complete_types(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Complete the name of an instance type."""
    return [name for name in instance_types() if name.startswith(incomplete)]


def complete_families(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Complete the name of a family of instance types, such as m5."""
    return sorted({name.partition(".")[0] for name in instance_types() if name.startswith(incomplete)})


types_option = click.option(
    "--types",
    "types_file",
    metavar="FILE",
    type=FILE,
    help="Add instance types from the JSON that `aws ec2 describe-instance-types` prints; - is stdin.",
)


def read_types(file: str | None) -> dict[str, InstanceLimits]:
    """Read the types of a `--types` file, by name.

    Raises:
        InvalidArgument: The file can't be read, is not such JSON, or has no type.
    """
    if file is None:
        return {}
    try:
        with open_text(file) as stream:
            text = stream.read(_LONGEST + 1)
            if len(text) > _LONGEST:
                raise InvalidArgument(f"{file} is longer than {_LONGEST:,} characters; {_ADVICE}")
            types = {limits.instance_type: limits for limits in load_limits(text)}
    except (OSError, UnicodeDecodeError, TypeError) as error:
        raise InvalidArgument(f"can't read {file}: {file_trouble(error)}; {_ADVICE}") from error
    if not types:
        raise InvalidArgument(f"{file} has no instance type; {_ADVICE}")
    return types


def find_type(name: str, more: dict[str, InstanceLimits]) -> InstanceLimits:
    """Look up an instance type, first in `more`, then in the table.

    Raises:
        UnknownInstanceType: Neither has it.
    """
    if name in more:
        return more[name]
    try:
        return instance_limits(name)
    except UnknownInstanceType:
        raise UnknownInstanceType(
            f"{unknown_type_text(name)} `vpcipam limits --all` lists the types; --types FILE adds newer ones"
        ) from None


def find_types(names: tuple[str, ...], more: dict[str, InstanceLimits]) -> list[InstanceLimits]:
    """Look up instance types, each once; a name with * or ? stands for all types that it matches, by name.

    Raises:
        UnknownInstanceType: There is no such type, or none that a pattern matches.
    """
    found: dict[str, InstanceLimits] = {}
    for name in names:
        matching = [name]
        if "*" in name or "?" in name:
            matching = sorted(each for each in {*instance_types(), *more} if fnmatchcase(each, name))
            if not matching:
                raise UnknownInstanceType(f"no instance type matches {name!r}; `vpcipam limits --all` lists the types")
        found |= {each: find_type(each, more) for each in matching}
    return list(found.values())
