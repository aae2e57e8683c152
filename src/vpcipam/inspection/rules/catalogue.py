"""All rules, and all kinds of findings by id. The table in docs/inspecting.md, SARIF and JSON are made from them."""

from vpcipam.inspection.cluster import ClusterCase, NodeCase
from vpcipam.inspection.rules import (
    addresses,
    capacity,
    counters,
    datapath,
    datastore_limits,
    duplicates,
    ec2_errors,
    enis,
    free_blocks,
    holders,
    leaks,
    logs,
    max_pods,
    no_address,
    owners,
    prefixes,
    reconciliation,
    spare_addresses,
    starvation,
    trunks,
    unchecked_nodes,
    warm_targets,
)
from vpcipam.inspection.rules.rule import Rule, RuleEntry

SURVEY_RULES = (*enis.RULES, *addresses.RULES, *owners.RULES, *capacity.RULES)
"""The rules about what EC2 shows of one node, in the order in which their findings are listed."""

CLUSTER_RULES: tuple[Rule[ClusterCase], ...] = (
    *duplicates.RULES,
    *leaks.RULES,
    *free_blocks.CLUSTER_RULES,
    *spare_addresses.CLUSTER_RULES,
    *counters.CLUSTER_RULES,
    *prefixes.CLUSTER_RULES,
    *trunks.CLUSTER_RULES,
    *unchecked_nodes.RULES,
)
"""The rules about all that was read, in the order in which their findings are listed."""

NODE_RULES: tuple[Rule[NodeCase], ...] = (
    *no_address.RULES,
    *reconciliation.RULES,
    *holders.RULES,
    *logs.RULES,
    *ec2_errors.RULES,
    *(rule.about_node() for rule in SURVEY_RULES if rule.check is not owners.check_leaked),
    *warm_targets.RULES,
    *starvation.RULES,
    *prefixes.RULES,
    *trunks.RULES,
    *datastore_limits.RULES,
    *counters.RULES,
    *max_pods.RULES,
    *datapath.RULES,
)
"""The rules about one node, likewise."""

RULES: tuple[Rule[ClusterCase] | Rule[NodeCase], ...] = (*CLUSTER_RULES, *NODE_RULES)
"""All rules. The docstring of each check names its source."""

CATALOGUE: dict[str, RuleEntry] = {entry.rule: entry for rule in RULES for entry in rule.entries}
"""What there is to say about each kind of finding, by id."""
