"""`vpcipam inspect`: what a real node has and what is wrong with it, or what files of real nodes show."""

import time
from typing import TYPE_CHECKING, Any

import attrs
import click

from vpcipam._units import counted
from vpcipam.cli.audit_view import findings_table, show_findings, show_unchecked
from vpcipam.cli.command import FILE, Output, OutputCommand
from vpcipam.cli.ec2_client import Ec2Session, with_advice
from vpcipam.cli.evidence_files import listed, read_evidence
from vpcipam.cli.evidence_view import evidence_document, show_evidence
from vpcipam.cli.inspect_view import show_node
from vpcipam.cli.manifests import node_settings
from vpcipam.cli.node_options import node_options
from vpcipam.cli.streams import to_json
from vpcipam.ec2.api import Ec2Error
from vpcipam.errors import EvidenceError
from vpcipam.inspection.audit import Audit, audit
from vpcipam.inspection.evidence import Evidence
from vpcipam.inspection.joining import Assumptions
from vpcipam.inspection.live import evidence_of, merged
from vpcipam.inspection.observed import ObservedNode
from vpcipam.inspection.read_cluster import read_cluster
from vpcipam.inspection.read_ec2 import read_node
from vpcipam.inspection.sarif import sarif_document
from vpcipam.inspection.survey import survey

if TYPE_CHECKING:
    from vpcipam.cli.tables import Page

EXAMPLES = (
    "kubectl get nodes,pods --all-namespaces -o yaml | vpcipam inspect -",
    "vpcipam inspect --ec2 --region eu-central-1 --instance-id i-0123456789abcdef0",
    "vpcipam inspect --ec2 --cluster prod --sarif",
    "vpcipam inspect --ec2 --profile prod --instance-id i-0123456789abcdef0 --set ENABLE_PREFIX_DELEGATION=true",
    "kubectl -n kube-system get ds aws-node -o yaml | vpcipam inspect --ec2 --instance-id i-0123456789abcdef0 --daemonset - --json",
)


@click.command("inspect", cls=OutputCommand, examples=EXAMPLES, has_csv=True)
@click.argument("files", metavar="[FILE|-]...", nargs=-1, type=FILE)
@click.option("--ec2", "from_ec2", is_flag=True, help="Read a running instance from EC2, with read-only calls.")
@click.option("--instance-id", metavar="ID", help="The id of the node's instance.")
@click.option("--cluster", "cluster_name", metavar="NAME", help="Instead of one instance: all instances of a cluster, by their tags.")
@click.option("--region", metavar="NAME", help="The instance's region. [default: the one that boto3 finds]")
@click.option("--profile", metavar="NAME", help="A profile of your AWS configuration. [default: the one that boto3 finds]")
@click.option("--sarif", "as_sarif", is_flag=True, help="Print the findings as SARIF 2.1.0 and nothing else.")
@node_options
def command(
    files: tuple[str, ...],
    *,
    from_ec2: bool,
    instance_id: str | None,
    cluster_name: str | None,
    region: str | None,
    profile: str | None,
    as_sarif: bool,
    daemonset: str | None,
    assignments: tuple[tuple[str, str], ...],
    max_pods: int | None,
    max_pods_by: str | None,
) -> Output:
    """Show what files of real nodes, clusters and accounts have; or read a real node from EC2, and check it.

    FILE is anything of a node, a cluster or an account: ipam.json, answers of ipamd's introspection, metrics, answers of `aws ec2
    describe-…`, the output of `kubectl get … -o json` or `kubectl describe node`, of ip, iptables-save, nft or sysctl on a node, or the log
    collector's bundle as a folder, tar.gz or zip. - is stdin. Files are recognised by their content. The command shows what each file is,
    what it has and what could not be read. It joins the files into nodes, checks these against the rules of EC2, ipamd and Kubernetes, and
    says which rules it could not check and which file would allow it. Of logs it reads what they tell of troubles; `vpcipam verify` checks
    them line by line.

    With --ec2, it reads a running instance, or with --cluster all instances of a cluster, shows ENIs, subnets and capacity, and checks
    them too, together with the files if there are any. It calls DescribeInstances, DescribeNetworkInterfaces, DescribeSubnets and
    GetSubnetCidrReservations, and DescribeInstanceTypes for a type that it does not know.

    The exit code is 1 if there is a finding; notes don't change it.
    """
    if not from_ec2 and not files:
        raise click.UsageError("say what to read: give files, or --ec2 and --instance-id ID to read a running instance from EC2")
    of_ec2 = (instance_id, cluster_name, region, profile, daemonset, assignments, max_pods, max_pods_by)
    if not from_ec2 and any(of_ec2):
        raise click.UsageError("these options belong to --ec2; with files alone, a manifest can be one of the files")
    if from_ec2 and bool(instance_id) is bool(cluster_name):
        raise click.UsageError("--ec2 needs either --instance-id ID, the node's instance, or --cluster NAME")
    evidence = read_evidence(files) if files else Evidence()
    if not from_ec2:
        found = audit(evidence)
        return _finished(_output(evidence, found, {"source": "files"}, f"in {listed(files)}"), found, as_sarif=as_sarif)
    given = daemonset is not None or bool(assignments)
    settings = node_settings(daemonset, assignments)
    session = Ec2Session(region or None, profile or None)
    nodes = _read(session, instance_id or "", cluster_name or "")
    assumptions = Assumptions(settings=settings, given_settings=given, max_pods=max_pods, max_pods_by=max_pods_by)
    both = merged(evidence, evidence_of(nodes, f"EC2 in {session.region}"))
    found = audit(both, observed=nodes, assumptions=assumptions)
    head = {"source": "ec2", "region": session.region, "settings": "given" if given else "as-shipped"}
    notes = tuple(str(each) for each in settings.diagnose(nodes[0].limits) if each.level != "info")
    if files or cluster_name:
        where = f"in {'EC2' if not files else f'EC2 and {listed(files)}'}" if not cluster_name else f"in cluster {cluster_name}"
        head |= {"source": "ec2 and files"} if files else {}
        return _finished(attrs.evolve(_output(both, found, head, where), notes=notes), found, as_sarif=as_sarif)
    surveyed = survey(nodes[0], settings, max_pods=max_pods, max_pods_by=max_pods_by)
    output = Output(
        document=head | surveyed.to_dict() | found.to_dict(),
        show=lambda page: show_node(page, surveyed, found, region=session.region, settings_given=given),
        table=findings_table(found),
        notes=notes,
        finding=_summary(found, f"on {instance_id}"),
        asked=((instance_id or "", settings),),
    )
    return _finished(output, found, as_sarif=as_sarif)


def _output(evidence: Evidence, found: Audit, head: dict[str, Any], where: str) -> Output:
    """Return what was found, what was read, and what could not be checked."""

    def show(page: "Page") -> None:
        show_findings(page, found)
        page.line()
        show_evidence(page, evidence, brief=bool(found.findings))
        show_unchecked(page, found.unchecked)

    document = evidence_document(evidence) | head | found.to_dict()
    asked = tuple((fact.source.bundle or fact.source.file, fact.value) for fact in evidence.settings)
    return Output(document=document, show=show, table=findings_table(found), finding=_summary(found, where), asked=asked)


def _finished(output: Output, found: Audit, *, as_sarif: bool) -> Output:
    """Put SARIF in the place of the answer, if it is wanted."""
    if not as_sarif:
        return output
    document = sarif_document(found)
    return attrs.evolve(output, document=document, printed=to_json(document))


def _read(session: Ec2Session, instance_id: str, cluster_name: str) -> tuple[ObservedNode, ...]:
    now_ns = time.time_ns()
    try:
        if instance_id:
            return (read_node(session.ec2, instance_id, now_ns=now_ns, find_limits=session.find_limits),)
        nodes = read_cluster(session.ec2, cluster_name, now_ns=now_ns, find_limits=session.find_limits)
    except Ec2Error as error:
        raise with_advice(error, session.region) from error
    if not nodes:
        raise EvidenceError(f"EC2 in {session.region} shows no instance of cluster {cluster_name}; check --cluster, --region and --profile")
    return nodes


def _summary(found: Audit, where: str) -> str | None:
    """Return the number of findings and the first one, on one line; None if there is none."""
    wrong = found.faults
    if not wrong:
        return None
    count = f"{counted(len(wrong), 'finding')} {where}"
    return f"{count}: {wrong[0]}" if len(wrong) == 1 else f"{count}, the first: {wrong[0]}"
