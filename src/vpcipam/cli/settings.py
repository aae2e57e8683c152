"""`vpcipam settings`: how ipamd reads a manifest."""

import attrs
import click

from vpcipam._units import counted
from vpcipam.address import AddressMode
from vpcipam.cli.command import FILE, Output, OutputCommand
from vpcipam.cli.instance_types import complete_types, find_type, read_types, types_option
from vpcipam.cli.manifests import read_settings
from vpcipam.cli.settings_meaning import meaning_of
from vpcipam.cli.settings_view import describe_variables, settings_table, show_settings
from vpcipam.cli.streams import STDIN
from vpcipam.errors import SettingsError
from vpcipam.limits import InstanceLimits
from vpcipam.settings import Diagnostic, Settings

EXAMPLES = (
    "vpcipam settings aws-node.yaml",
    "vpcipam settings aws-node.yaml --type m5.large --json",
    "kubectl -n kube-system get daemonset aws-node -o yaml | vpcipam settings -",
)


@click.command("settings", cls=OutputCommand, examples=EXAMPLES, has_csv=True)
@click.argument("file", metavar="FILE|-", type=FILE)
@click.option(
    "--type",
    "instance_type",
    metavar="TYPE",
    shell_complete=complete_types,
    help="Also check the settings against this instance type, and give its figures.",
)
@types_option
@click.option(
    "--all",
    "every",
    is_flag=True,
    help="Also show the variables that have their shipped value, grouped by its origin: file, manifest or default.",
)
def command(file: str, *, instance_type: str | None, types_file: str | None, every: bool) -> Output:
    """Explain and check the variables of an aws-node manifest: what differs from the one that AWS ships, and what it means for a node.

    FILE is the DaemonSet as YAML or JSON, or the `env` list of its aws-node container; Helm values; the EKS add-on, as `aws eks
    describe-addon` or eksctl's ClusterConfig has it; the output of `kubectl set env --list` or `kubectl describe`; or the env settings of
    ipamd's introspection. - is stdin.

    The exit code is 1 if the container, ipamd or Kubernetes would refuse a value; warnings don't change it.
    """
    if STDIN == file == types_file:
        raise click.UsageError("the manifest and --types can't both come from stdin")
    limits = None if instance_type is None else find_type(instance_type, read_types(types_file))
    settings = read_settings(file)
    diagnostics = settings.diagnostics if limits is None else settings.diagnose(limits)
    mode = _mode(settings, limits)
    source = "stdin" if file == STDIN else file
    variables = describe_variables(settings)
    meaning = meaning_of(settings, mode, limits)

    return Output(
        document={
            "source": source,
            "document": settings.document,
            "instance_type": instance_type,
            "mode": mode.value if mode else None,
            "meaning": meaning.text,
            "figures": meaning.figures,
            "variables": variables,
            "diagnostics": [attrs.asdict(found) for found in diagnostics],
        },
        show=lambda page: show_settings(
            page,
            f"{source} · {settings.document} · {_mode_text(settings, mode, limits)}",
            variables,
            meaning.text,
            diagnostics,
            every=every,
        ),
        table=settings_table(variables),
        finding=_finding(source, diagnostics),
    )


def _finding(source: str, diagnostics: tuple[Diagnostic, ...]) -> str | None:
    errors = [f"{found.variable}: {found.message} ({found.suggestion})" for found in diagnostics if found.level == "error"]
    return f"{source} has {counted(len(errors), 'error')}: {'; '.join(errors)}" if errors else None


# --- mode ----------------------------------------------------------------------------------------------------------------


def _mode(settings: Settings, limits: InstanceLimits | None) -> AddressMode | None:
    """Return what slots hold (on a nitro type if no type is given), or None if ipamd would not start."""
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
    return f"{mode.label}{xen}{networking}"
