"""`vpcipam settings`: what the daemon makes of a manifest."""

from typing import Any

import attrs
import click

from vpcipam.address import AddressMode
from vpcipam.cli.command import Answer, AnsweringCommand
from vpcipam.cli.instance_types import complete_types, find_type, read_types, types_option
from vpcipam.cli.manifests import read_settings
from vpcipam.cli.streams import STDIN, counted
from vpcipam.errors import SettingsError
from vpcipam.limits import InstanceLimits
from vpcipam.settings import VARIABLES, Diagnostic, Settings, Variable

EXAMPLES = (
    "vpcipam settings aws-node.yaml",
    "vpcipam settings aws-node.yaml --type m5.large --json",
    "kubectl -n kube-system get daemonset aws-node -o yaml | vpcipam settings -",
)


@click.command("settings", cls=AnsweringCommand, examples=EXAMPLES, short_help="What the daemon makes of a manifest.")
@click.argument("file", metavar="FILE|-", type=click.Path())
@click.option("--type", "instance_type", metavar="TYPE", shell_complete=complete_types, help="Say also what does not fit this type.")
@types_option
def command(file: str, instance_type: str | None, types_file: str | None) -> Answer:
    """Explain the variables of an aws-node manifest, and diagnose them.

    FILE is the DaemonSet as YAML or JSON, the `env` list of its aws-node container, or Helm values with a mapping `env`; - is stdin. What
    the daemon or Kubernetes would refuse makes the exit code 1; warnings don't.
    """
    if STDIN == file == types_file:
        raise click.UsageError("the manifest and --types can't both come from stdin")
    limits = None if instance_type is None else find_type(instance_type, read_types(types_file))
    settings = read_settings(file)
    diagnostics = settings.diagnostics if limits is None else settings.diagnose(limits)
    mode = _mode(settings, limits)
    source = "stdin" if file == STDIN else file
    variables = describe_variables(settings)

    def show() -> str:
        from vpcipam.cli.settings_view import show_settings  # noqa: PLC0415 - it loads rich, which JSON does not need

        return show_settings(f"{source} · {_mode_text(settings, mode, limits)}", variables, diagnostics)

    return Answer(
        document={
            "source": source,
            "instance_type": instance_type,
            "mode": mode.value if mode else None,
            "variables": variables,
            "diagnostics": [attrs.asdict(found) for found in diagnostics],
        },
        show=show,
        finding=_finding(source, diagnostics),
    )


def _finding(source: str, diagnostics: tuple[Diagnostic, ...]) -> str | None:
    errors = [f"{found.variable}: {found.message} ({found.suggestion})" for found in diagnostics if found.level == "error"]
    return f"{source} has {counted(len(errors), 'error')}: {'; '.join(errors)}" if errors else None


# --- mode ----------------------------------------------------------------------------------------------------------------


def _mode(settings: Settings, limits: InstanceLimits | None) -> AddressMode | None:
    """Find what slots hold (on nitro, where no type is given); None where the daemon would not start."""
    try:
        if limits is not None:
            return settings.address_mode(limits)
        settings.check()
    except SettingsError:
        return None
    if settings.enable_ipv6:
        return AddressMode.IPV6
    return AddressMode.PREFIX if settings.enable_prefix_delegation else AddressMode.SECONDARY_IP


def _mode_text(settings: Settings, mode: AddressMode | None, limits: InstanceLimits | None) -> str:
    if mode is None:
        return "refused, see the errors below"
    xen = " (secondary IPs on Xen types)" if limits is None and mode is AddressMode.PREFIX else ""
    networking = ", custom networking" if settings.custom_network_cfg else ""
    return f"pods get {_MODE_TEXTS[mode]}{xen}{networking}"


_MODE_TEXTS = {
    AddressMode.SECONDARY_IP: "secondary IPs",
    AddressMode.PREFIX: "addresses of /28 prefixes",
    AddressMode.IPV6: "IPv6 addresses of one /80",
}


# --- variables -----------------------------------------------------------------------------------------------------------


def describe_variables(settings: Settings) -> list[dict[str, Any]]:
    """Describe every variable that a release reads, and then the other names that are set.

    `source` is `set`; `fallback`: set, but to a text that the daemon can't use; `default`: not set; `implied`: not set, and follows from
    others; `other`: set, but not a variable of the daemon.
    """
    texts = settings.variables
    described = [_describe(settings, variable, texts.get(variable.name)) for variable in VARIABLES.values()]
    others = [
        {"name": name, "value": None, "text": text, "source": "other", "acts_on_addresses": False, "effect": "not a variable of the daemon"}
        for name, text in texts.items()
        if name not in VARIABLES
    ]
    return described + others


def _describe(settings: Settings, variable: Variable, text: str | None) -> dict[str, Any]:
    parsed = None if text is None else variable.parse(text)
    value = variable.default if parsed is None else parsed
    source = "default" if text is None else "set" if parsed is not None or text == variable.default else "fallback"
    if variable.setting is not None and getattr(settings, variable.setting) != value:
        value, source = getattr(settings, variable.setting), "implied"
    return {
        "name": variable.name,
        "value": value,
        "text": text,
        "source": source,
        "acts_on_addresses": variable.acts_on_addresses,
        "effect": variable.effect,
    }
