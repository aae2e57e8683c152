"""`vpcipam inspect`: what a real node has and what is wrong with it, or what files of real nodes show."""

import time

import attrs
import click

from vpcipam._units import counted
from vpcipam.cli.command import FILE, Output, OutputCommand
from vpcipam.cli.ec2_client import Ec2Session, with_advice
from vpcipam.cli.evidence_view import evidence_document, show_evidence
from vpcipam.cli.inspect_view import show_node
from vpcipam.cli.manifests import node_settings
from vpcipam.cli.node_options import node_options
from vpcipam.cli.progress import show_progress, total_size
from vpcipam.cli.streams import STDIN, stdin_bytes
from vpcipam.ec2.api import Ec2Error
from vpcipam.errors import EvidenceError
from vpcipam.inspection.audit import audit
from vpcipam.inspection.evidence import Evidence
from vpcipam.inspection.finding import Finding, Severity
from vpcipam.inspection.observed import ObservedNode
from vpcipam.inspection.read_ec2 import read_node
from vpcipam.inspection.readers import read_files
from vpcipam.inspection.survey import survey

STDIN_NAME = "stdin"

EXAMPLES = (
    "kubectl get nodes,pods --all-namespaces -o yaml | vpcipam inspect -",
    "vpcipam inspect --ec2 --region eu-central-1 --instance-id i-0123456789abcdef0",
    "vpcipam inspect --ec2 --profile prod --instance-id i-0123456789abcdef0 --set ENABLE_PREFIX_DELEGATION=true",
    "kubectl -n kube-system get ds aws-node -o yaml | vpcipam inspect --ec2 --instance-id i-0123456789abcdef0 --daemonset - --json",
)


@click.command("inspect", cls=OutputCommand, examples=EXAMPLES, short_help="Show what a real node has and what is wrong with it.")
@click.argument("files", metavar="[FILE|-]...", nargs=-1, type=FILE)
@click.option("--ec2", "from_ec2", is_flag=True, help="Read a running instance from EC2, with read-only calls.")
@click.option("--instance-id", metavar="ID", help="The id of the node's instance.")
@click.option("--region", metavar="NAME", help="The instance's region. [default: the one that boto3 finds]")
@click.option("--profile", metavar="NAME", help="A profile of your AWS configuration. [default: the one that boto3 finds]")
@node_options
def command(
    files: tuple[str, ...],
    *,
    from_ec2: bool,
    instance_id: str | None,
    region: str | None,
    profile: str | None,
    daemonset: str | None,
    assignments: tuple[tuple[str, str], ...],
    max_pods: int | None,
    max_pods_by: str | None,
) -> Output:
    """Show what files of real nodes, clusters and accounts have; or read a real node from EC2, and check it.

    FILE is anything of a node, a cluster or an account: ipam.json, answers of ipamd's introspection, metrics, answers of `aws ec2
    describe-…`, the output of `kubectl get … -o json` or `kubectl describe node`, or the log collector's bundle as a folder, tar.gz or zip.
    - is stdin. Files are recognised by their content. The command shows what each file is, the release that it implies, what it has, what
    could not be read, and what such files never show.

    With --ec2, it reads a running instance, shows its ENIs, subnets and capacity, and checks them against the rules of EC2 and ipamd.
    It calls DescribeInstances, DescribeNetworkInterfaces and DescribeSubnets, and DescribeInstanceTypes for a type that it does not know.
    The exit code is 1 if there is a finding; notes don't change it.
    """
    if files:
        of_ec2 = (from_ec2, instance_id, region, profile, daemonset, assignments, max_pods, max_pods_by)
        if any(of_ec2):
            raise click.UsageError("give files, or --ec2 with its options, not both; a manifest can be one of the files")
        return _show_files(files)
    if not from_ec2:
        raise click.UsageError("say what to read: give files, or --ec2 and --instance-id ID to read a running instance from EC2")
    if not instance_id:
        raise click.UsageError("--ec2 needs --instance-id ID, the node's instance")
    settings = node_settings(daemonset, assignments)
    session = Ec2Session(region or None, profile or None)
    surveyed = survey(_read(session, instance_id), settings, max_pods=max_pods, max_pods_by=max_pods_by)
    findings = audit(surveyed)
    given = daemonset is not None or bool(assignments)
    diagnostics = settings.diagnose(surveyed.node.limits)

    return Output(
        document={
            "source": "ec2",
            "region": session.region,
            "settings": "given" if given else "as-shipped",
            **surveyed.to_dict(),
            "findings": [attrs.asdict(found) for found in findings],
        },
        show=lambda page: show_node(page, surveyed, findings, region=session.region, settings_given=given),
        notes=tuple(str(found) for found in diagnostics if found.level != "info"),
        finding=_summary(findings, instance_id),
    )


def _show_files(files: tuple[str, ...]) -> Output:
    if files.count(STDIN) > 1:
        raise click.UsageError("stdin (-) can be read only once")
    with show_progress(total_size(files), lambda length: f"{length / 1e6:,.1f} MB") as progress:
        evidence = read_files([(STDIN_NAME, stdin_bytes()) if file == STDIN else file for file in files], progress=progress)
    if not evidence.documents:
        raise EvidenceError(
            f"nothing in {_listed(files)} is recognised{_first_reason(evidence)}; docs/inspecting.md lists what can be read"
        )
    return Output(document=evidence_document(evidence), show=lambda page: show_evidence(page, evidence))


def _listed(files: tuple[str, ...]) -> str:
    if files == (STDIN,):
        return STDIN_NAME
    return files[0] if len(files) == 1 else f"{len(files)} files"


def _first_reason(evidence: Evidence) -> str:
    if not evidence.skipped:
        return ""
    first = evidence.skipped[0]
    return f": {first.source}: {first.what}: {first.why}"


def _read(session: Ec2Session, instance_id: str) -> ObservedNode:
    try:
        return read_node(session.ec2, instance_id, now_ns=time.time_ns(), find_limits=session.find_limits)
    except Ec2Error as error:
        raise with_advice(error, session.region) from error


def _summary(findings: tuple[Finding, ...], instance_id: str) -> str | None:
    """Return the number of findings and the first one, on one line; None if there is none."""
    wrong = [finding for finding in findings if finding.severity is Severity.FINDING]
    if not wrong:
        return None
    count = f"{counted(len(wrong), 'finding')} on {instance_id}"
    return f"{count}: {wrong[0]}" if len(wrong) == 1 else f"{count}, the first: {wrong[0]}"
