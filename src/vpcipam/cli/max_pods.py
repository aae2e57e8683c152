"""`vpcipam max-pods`: how many pods a node can run."""

from typing import TYPE_CHECKING, Any

import click

from vpcipam._units import counted
from vpcipam.cli.command import Output, OutputCommand
from vpcipam.cli.instance_types import complete_types, find_type, read_types, types_option
from vpcipam.limits import ADDRESSES_PER_PREFIX, HOST_NETWORK_PODS, InstanceLimits, branch_pod_limit, max_pods

if TYPE_CHECKING:
    from vpcipam.cli.tables import Page

EXAMPLES = (
    "vpcipam max-pods m5.large",
    "vpcipam max-pods m5.large --prefix-delegation --custom-networking --uncapped",
    "vpcipam max-pods t3.small m5.large c5.18xlarge --prefix-delegation",
    "vpcipam max-pods m5.4xlarge --max-eni 4 --json",
)


@click.command("max-pods", cls=OutputCommand, examples=EXAMPLES, short_help="Compute how many pods a node can run.")
@click.argument("types", metavar="TYPE…", nargs=-1, required=True, shell_complete=complete_types)
@click.option("--prefix-delegation", is_flag=True, help="Slots hold /28 prefixes (ENABLE_PREFIX_DELEGATION).")
@click.option("--custom-networking", is_flag=True, help="The primary ENI carries no pods (AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG).")
@click.option("--max-eni", metavar="N", type=click.IntRange(min=1), help="The most ENIs that the node may have (MAX_ENI).")
@click.option("--uncapped", is_flag=True, help="Ignore the cap that EKS recommends with prefixes.")
@types_option
def command(
    types: tuple[str, ...], *, prefix_delegation: bool, custom_networking: bool, max_eni: int | None, uncapped: bool, types_file: str | None
) -> Output:
    """Compute the kubelet's max-pods for each instance TYPE.

    The number includes aws-node and kube-proxy, which run on every node and use the host's network.

    With ENABLE_POD_ENI some of these pods can have security groups; --json has their number for every TYPE (branch_pods).

    For a single TYPE, stdout has only the number, so that scripts can use $(vpcipam max-pods TYPE). The formula, and how many pods can
    have security groups, go to stderr.
    """
    more = read_types(types_file)
    answers = [
        _answer(
            find_type(name, more),
            prefix_delegation=prefix_delegation,
            custom_networking=custom_networking,
            max_eni=max_eni,
            capped=not uncapped,
        )
        for name in types
    ]
    if len(answers) == 1:
        only = answers[0]
        return Output(document=only, show=f"{only['max_pods']}\n", notes=(f"= {only['formula']}", _branch_text(only)))
    return Output(document=answers, show=lambda page: _show(page, answers))


def _answer(
    limits: InstanceLimits, *, prefix_delegation: bool, custom_networking: bool, max_eni: int | None, capped: bool
) -> dict[str, Any]:
    prefixes = prefix_delegation and limits.supports_prefixes
    uncapped = max_pods(limits, prefix_delegation, custom_networking, max_eni, capped=False)
    found = max_pods(limits, prefix_delegation, custom_networking, max_eni, capped)
    eni_count = min(limits.eni_limit, max_eni or limits.eni_limit)
    enis = counted(eni_count, "ENI")
    return {
        "instance_type": limits.instance_type,
        "max_pods": found,
        "uncapped_max_pods": uncapped,
        "prefix_delegation": prefix_delegation,
        "prefixes_supported": limits.supports_prefixes,
        "custom_networking": custom_networking,
        "max_eni": max_eni,
        "capped": capped,
        "eni_count": eni_count,
        "ipv4_per_eni": limits.ipv4_per_eni,
        "addresses_per_slot": ADDRESSES_PER_PREFIX if prefixes else 1,
        "host_network_pods": HOST_NETWORK_PODS,
        "trunk_compatible": limits.trunk_compatible,
        "branch_pods": branch_pod_limit(limits, found),
        "vcpus": limits.vcpus,
        "formula": "".join(
            (
                f"({enis} − the primary)" if custom_networking else enis,
                f" × ({limits.ipv4_per_eni} IPv4 addresses − 1)",
                f" × {ADDRESSES_PER_PREFIX} of a prefix" if prefixes else "",
                f" + {HOST_NETWORK_PODS} host-network pods",
                f" = {uncapped}, capped at {found} as EKS recommends for {limits.vcpus} vCPUs" if found < uncapped else "",
                "; no prefixes on Xen" if prefix_delegation and not prefixes else "",
            )
        ),
    }


def _branch_text(answer: dict[str, Any]) -> str:
    """Say how many of the pods can have security groups."""
    if not answer["trunk_compatible"]:
        return f"pods with security groups: none, {answer['instance_type']} takes no trunk ENI"
    count = answer["branch_pods"]
    if count is None:
        return f"pods with security groups: the branch ENIs of {answer['instance_type']} are not known"
    return f"pods with security groups: up to {count} of them, each on a branch ENI, with ENABLE_POD_ENI"


def _show(page: "Page", answers: list[dict[str, Any]]) -> None:
    rows = [(answer["instance_type"], (str(answer["max_pods"]), "bold"), answer["formula"]) for answer in answers]
    page.table(("type", "max pods", "how"), rows, numbers={"max pods"}, fold={"how"})
