"""`vpcipam max-pods`: how many pods a node can run, by what sets the number."""

from itertools import groupby
from typing import TYPE_CHECKING, Any

import attrs
import click

from vpcipam._units import counted
from vpcipam.cli.command import SCHEMA_VERSION, IntRange, Output, OutputCommand
from vpcipam.cli.instance_types import complete_types, find_type, read_types, types_option
from vpcipam.cli.kubelet import max_pods_by_option
from vpcipam.cli.table import Span, Table
from vpcipam.limits import ADDRESSES_PER_PREFIX, HOST_NETWORK_PODS, InstanceLimits, MaxPodsBy, MaxPodsSum, branch_pod_limit, sum_max_pods

if TYPE_CHECKING:
    from vpcipam.cli.tables import Page

EXAMPLES = (
    "vpcipam max-pods m5.large",
    "vpcipam max-pods m5a.4xlarge --max-pods-by ami",
    "vpcipam max-pods m5.large --prefix-delegation --custom-networking --uncapped",
    "vpcipam max-pods t3.small m5.large c5.18xlarge --prefix-delegation",
    "vpcipam max-pods m5.4xlarge --max-eni 4 --json",
)


@click.command("max-pods", cls=OutputCommand, examples=EXAMPLES, has_csv=True)
@click.argument("types", metavar="TYPE…", nargs=-1, required=True, shell_complete=complete_types)
@click.option("--prefix-delegation", is_flag=True, help="Slots hold /28 prefixes (ENABLE_PREFIX_DELEGATION).")
@click.option("--custom-networking", is_flag=True, help="The primary ENI carries no pods (AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG).")
@click.option(
    "--max-eni",
    metavar="N",
    type=IntRange(min=1),
    help="The most ENIs, as EKS's script counts them (--cni-max-eni). `vpcipam plan` assumes that a managed node group ignores MAX_ENI.",
)
@click.option("--pods-per-core", metavar="N", type=IntRange(min=0), default=0, help="The kubelet's podsPerCore; 0 for no limit.")
@click.option("--uncapped", is_flag=True, help="Ignore the cap of a managed node group.")
@max_pods_by_option()
@types_option
def command(
    types: tuple[str, ...],
    *,
    prefix_delegation: bool,
    custom_networking: bool,
    max_eni: int | None,
    pods_per_core: int,
    uncapped: bool,
    max_pods_by: str | None,
    types_file: str | None,
) -> Output:
    """Compute the kubelet's max-pods for each instance TYPE.

    The number depends on what sets it: an EKS managed node group without an AMI of its own, the AMI itself, or Karpenter. The number of a
    managed node group is also that of EKS's max-pods-calculator.sh. It includes aws-node and kube-proxy, which run on every node and use
    the host's network.

    With ENABLE_POD_ENI some of these pods can have security groups; --json has their number for every TYPE (branch_pods).

    For a single TYPE, stdout has only the number, so that scripts can use $(vpcipam max-pods TYPE). The three numbers, their formulas, and
    how many pods can have security groups go to stderr. For several TYPEs, they are the answer.
    """
    more = read_types(types_file)
    wanted = MaxPodsBy(max_pods_by or MaxPodsBy.MANAGED_NODE_GROUP)
    options = _Options(prefix_delegation, custom_networking, max_eni, not uncapped, pods_per_core)
    answers = [_answer(find_type(name, more), options, wanted) for name in types]
    if len(answers) == 1:
        only = answers[0]
        notes = tuple(f"= {each['max_pods']} by {by}: {each['formula']}" for by, each in only["by_provisioner"].items())
        return Output(document=only, show=f"{only['max_pods']}\n", table=_table(answers), notes=(*notes, _branch_text(only)))
    documents = [{"schema_version": SCHEMA_VERSION} | answer for answer in answers]
    return Output(document=documents, show=lambda page: _show(page, answers), table=_table(answers))


@attrs.frozen
class _Options:
    prefix_delegation: bool
    custom_networking: bool
    max_eni: int | None
    capped: bool
    pods_per_core: int


def _answer(limits: InstanceLimits, options: _Options, wanted: MaxPodsBy) -> dict[str, Any]:
    sums = {by: sum_max_pods(limits, **attrs.asdict(options), by=by) for by in MaxPodsBy}
    found = sums[wanted]
    return {
        "instance_type": limits.instance_type,
        "max_pods": found.max_pods,
        "max_pods_by": wanted,
        "uncapped_max_pods": found.uncapped,
        **attrs.asdict(options),
        "prefixes_supported": limits.supports_prefixes,
        "eni_count": found.eni_count,
        "reserved_eni_count": found.reserved_eni_count,
        "ipv4_per_eni": found.ipv4_per_eni,
        "addresses_per_slot": found.addresses_per_slot,
        "host_network_pods": HOST_NETWORK_PODS,
        "trunk_compatible": limits.trunk_compatible,
        "branch_pods": branch_pod_limit(limits, found.max_pods),
        "vcpus": limits.vcpus,
        "formula": _formula(found, limits, options),
        "by_provisioner": {by: {"max_pods": each.max_pods, "formula": _formula(each, limits, options)} for by, each in sums.items()},
    }


def _branch_text(answer: dict[str, Any]) -> str:
    """Say how many of the pods can have security groups."""
    if not answer["trunk_compatible"]:
        return f"= none of them with security groups: {answer['instance_type']} takes no trunk ENI"
    count = answer["branch_pods"]
    if count is None:
        return f"= an unknown number of them with security groups: the branch ENIs of {answer['instance_type']} are not known"
    return f"= at most {count} of them with security groups, each on a branch ENI (ENABLE_POD_ENI)"


def _formula(found: MaxPodsSum, limits: InstanceLimits, options: _Options) -> str:
    enis = counted(found.eni_count, "ENI")
    ignored = [
        *(["prefixes"] if options.prefix_delegation and limits.supports_prefixes and found.addresses_per_slot == 1 else []),
        *(["custom networking"] if options.custom_networking and not found.reserved_eni_count else []),
        *(["MAX_ENI"] if found.eni_count > (options.max_eni or found.eni_count) else []),
    ]
    return "".join(
        (
            f"({enis} − the primary)" if found.reserved_eni_count else enis,
            f" × ({found.ipv4_per_eni} IPv4 addresses − 1)",
            f" × {ADDRESSES_PER_PREFIX} of a prefix" if found.addresses_per_slot > 1 else "",
            f" + {HOST_NETWORK_PODS} host-network pods" if found.uncapped else " = 0",
            f" = {found.uncapped}{_caps(found, limits, options)}" if found.max_pods < found.uncapped else "",
            f"; not counted: {', '.join(ignored)}" if ignored else "",
            "; no prefixes on Xen" if options.prefix_delegation and not limits.supports_prefixes else "",
        )
    )


def _caps(found: MaxPodsSum, limits: InstanceLimits, options: _Options) -> str:
    """Say which cap makes the result smaller than the sum: the smallest one."""
    vcpus = counted(limits.vcpus, "vCPU")
    if found.max_pods == found.core_cap:
        return f", at most {options.pods_per_core} for each of {vcpus} = {found.max_pods}"
    return f", capped at {found.max_pods} for {vcpus}"


def _table(answers: list[dict[str, Any]]) -> Table:
    heads = ("type", *MaxPodsBy)
    return Table(heads, ((answer["instance_type"], *_numbers(answer)) for answer in answers), numbers=heads[1:])


def _show(page: "Page", answers: list[dict[str, Any]]) -> None:
    page.add(_table(answers))
    for answer in answers:
        page.line()
        page.line(answer["instance_type"], "bold")
        for formula, group in groupby(answer["by_provisioner"].items(), lambda item: item[1]["formula"]):
            page.indented(f"{', '.join(by for by, _ in group)}: {formula}")


def _numbers(answer: dict[str, Any]) -> "list[Span]":
    return [(str(each["max_pods"]), "bold" if by == answer["max_pods_by"] else "") for by, each in answer["by_provisioner"].items()]
