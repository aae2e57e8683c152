"""`vpcipam inspect`: what a real node has, and what is wrong with it."""

import time

import attrs
import click

from vpcipam.cli.command import Answer, AnsweringCommand
from vpcipam.cli.ec2_client import Ec2Session, explain
from vpcipam.cli.manifests import apply_variables, complete_assignments, parse_assignments, read_settings
from vpcipam.cli.streams import counted
from vpcipam.ec2.api import Ec2Error
from vpcipam.inspection.audit import audit
from vpcipam.inspection.finding import Finding, Severity
from vpcipam.inspection.observed import ObservedNode
from vpcipam.inspection.read_ec2 import read_node
from vpcipam.inspection.survey import survey
from vpcipam.plan import PODS_LIMIT
from vpcipam.settings import Settings

EXAMPLES = (
    "vpcipam inspect --ec2 --region eu-central-1 --instance-id i-0123456789abcdef0",
    "vpcipam inspect --ec2 --profile prod --instance-id i-0123456789abcdef0 --set ENABLE_PREFIX_DELEGATION=true",
    "kubectl -n kube-system get ds aws-node -o yaml | vpcipam inspect --ec2 --instance-id i-0123456789abcdef0 --daemonset - --json",
)


@click.command("inspect", cls=AnsweringCommand, examples=EXAMPLES, short_help="What a real node has, and what is wrong with it.")
@click.option("--ec2", "from_ec2", is_flag=True, help="Read a running instance from EC2, with calls that change nothing.")
@click.option("--instance-id", metavar="ID", help="The node's instance.")
@click.option("--region", metavar="NAME", help="The instance's region. [default: as boto3 finds it]")
@click.option("--profile", metavar="NAME", help="A profile of your AWS configuration. [default: as boto3 finds it]")
@click.option(
    "--daemonset", metavar="FILE|-", type=click.Path(), help="The aws-node manifest, or Helm values; - is stdin. [default: as AWS ships it]"
)
@click.option(
    "--set",
    "assignments",
    metavar="NAME=VALUE",
    multiple=True,
    callback=parse_assignments,
    shell_complete=complete_assignments,
    help="Set a variable of the manifest; may be repeated.",
)
@click.option("--max-pods", metavar="N", type=click.IntRange(1, PODS_LIMIT), help="The kubelet's max-pods. [default: what EKS sets]")
def command(
    *,
    from_ec2: bool,
    instance_id: str | None,
    region: str | None,
    profile: str | None,
    daemonset: str | None,
    assignments: tuple[tuple[str, str], ...],
    max_pods: int | None,
) -> Answer:
    """Read a real node, show it as the library sees it, and hold it against the rules of EC2 and ipamd.

    It calls DescribeInstances, DescribeNetworkInterfaces and DescribeSubnets; for a type that is not in the table, DescribeInstanceTypes.
    Exits with 1 if there is a finding; notes alone are no finding.
    """
    if not from_ec2:
        raise click.UsageError("say what to read: --ec2 --instance-id ID reads a running instance from EC2")
    if not instance_id:
        raise click.UsageError("--ec2 needs --instance-id: which instance is the node?")
    settings = apply_variables(Settings() if daemonset is None else read_settings(daemonset), assignments)
    session = Ec2Session(region or None, profile or None)
    surveyed = survey(_read(session, instance_id), settings, max_pods=max_pods)
    findings = audit(surveyed)
    given = daemonset is not None or bool(assignments)
    diagnostics = settings.diagnose(surveyed.node.limits)

    def show() -> str:
        from vpcipam.cli.inspect_view import show_node  # noqa: PLC0415 - it loads rich, which JSON does not need

        return show_node(surveyed, findings, region=session.region, settings_given=given)

    return Answer(
        document={
            "source": "ec2",
            "region": session.region,
            "settings": "given" if given else "as-shipped",
            **surveyed.to_dict(),
            "findings": [attrs.asdict(found) for found in findings],
        },
        show=show,
        notes=tuple(str(found) for found in diagnostics if found.level != "info"),
        finding=_summary(findings, instance_id),
    )


def _read(session: Ec2Session, instance_id: str) -> ObservedNode:
    try:
        return read_node(session.ec2, instance_id, now_ns=time.time_ns(), find_limits=session.find_limits)
    except Ec2Error as error:
        raise explain(error, session.region) from error


def _summary(findings: tuple[Finding, ...], instance_id: str) -> str | None:
    """One line: the first finding, and how many there are."""
    wrong = [finding for finding in findings if finding.severity is Severity.FINDING]
    if not wrong:
        return None
    count = f"{counted(len(wrong), 'finding')} on {instance_id}"
    return f"{count}: {wrong[0]}" if len(wrong) == 1 else f"{count}, the first: {wrong[0]}"
