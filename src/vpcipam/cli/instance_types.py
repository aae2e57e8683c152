"""Instance types as arguments: by name, with completion, and from a file of newer ones."""

import click

from vpcipam.cli.streams import STDIN, open_stdin
from vpcipam.errors import InvalidArgument, UnknownInstanceType, file_trouble
from vpcipam.limits import InstanceLimits, instance_limits, instance_types, load_limits, unknown_type_text


def complete_types(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Complete the name of an instance type."""
    return [name for name in instance_types() if name.startswith(incomplete)]


types_option = click.option(
    "--types",
    "types_file",
    metavar="FILE",
    type=click.Path(),
    help="Know more types: the JSON that `aws ec2 describe-instance-types` prints; - is stdin.",
)


def read_types(file: str | None) -> dict[str, InstanceLimits]:
    """Read the types of a `--types` file, by name.

    Raises:
        InvalidArgument: The file can't be read, or is not of that kind, or has no type.
    """
    if file is None:
        return {}
    try:
        if file == STDIN:
            with open_stdin() as stream:
                text = stream.read()
        else:
            with open(file, encoding="utf-8-sig") as stream:  # noqa: PTH123 - importing pathlib costs every run of the command
                text = stream.read()
        types = {limits.instance_type: limits for limits in load_limits(text)}
    except (OSError, UnicodeDecodeError, TypeError) as error:
        raise InvalidArgument(
            f"can't read {file}: {file_trouble(error)}; give what `aws ec2 describe-instance-types --output json` prints"
        ) from error
    if not types:
        raise InvalidArgument(f"{file} has no instance type; give what `aws ec2 describe-instance-types --output json` prints")
    return types


def find_type(name: str, more: dict[str, InstanceLimits]) -> InstanceLimits:
    """Look up an instance type, among `more` first.

    Raises:
        UnknownInstanceType: Neither `more` nor the table has it.
    """
    if name in more:
        return more[name]
    try:
        return instance_limits(name)
    except UnknownInstanceType:
        raise UnknownInstanceType(
            f"{unknown_type_text(name)} `vpcipam limits --all` lists the types; --types FILE adds newer ones"
        ) from None
