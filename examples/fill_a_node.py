"""Fill an m5.large pod by pod and print its ENIs and decisions: `python examples/fill_a_node.py`.

The settings come from the manifest beside this file. The `Node` runs on a model of EC2, without a clock or network.
"""

from pathlib import Path

from vpcipam import Ec2Model, Node, PodRef, SandboxKey, Settings
from vpcipam.errors import PoolExhausted
from vpcipam.warmpool import grow

SECOND_NS = 1_000_000_000


def bar(node: Node, now_ns: int) -> str:
    """Draw each ENI's slots: # in use, + free, . empty."""
    slots = node.limits.slots_per_eni
    return " ".join(
        f"[{'#' * eni.assigned_count}{'+' * (eni.slot_count - eni.assigned_count)}{'.' * (slots - eni.slot_count)}]"
        for eni in node.datastores[0].eni_stats(now_ns)
    )


def settle(node: Node, now_ns: int) -> int:
    """Tick the node until it has nothing to do, print its actions, and return the time."""
    while (wakeup_ns := node.next_wakeup(now_ns, include_reconcile=False)) is not None:
        now_ns = wakeup_ns
        for action in node.tick(now_ns):
            print(f"{'':8}{action}")
    return now_ns


def main() -> None:
    """Run the example."""
    ec2 = Ec2Model()
    vpc = ec2.create_vpc("10.0.0.0/16")
    subnet = ec2.create_subnet(vpc.vpc_id, "10.0.1.0/24")
    settings = Settings.from_daemonset(Path(__file__).with_name("aws-node.yaml"))
    node = Node("m5.large", settings, ec2, subnet_id=subnet.subnet_id, name="demo")

    print(f"An m5.large: {node.limits.eni_limit} ENIs of {node.limits.slots_per_eni} slots for pods each.")
    print("Each bar is an ENI: # an address with a pod, + attached and free, . an empty slot.\n")
    now_ns = 0
    for action in node.start(now_ns):
        print(f"start   {action}")
    now_ns = settle(node, now_ns)
    pod_count = 0
    try:
        while True:
            now_ns += SECOND_NS
            name = f"web-{pod_count + 1}"
            assignment = node.assign(SandboxKey("aws-cni", name, "eth0"), now_ns, PodRef("default", name))
            pod_count += 1
            stats = node.stats(now_ns)
            pool = f"{stats.assigned_count:2} of {stats.total_count:2}"
            print(f"{name:8}{assignment.address:11} device {assignment.device_number}  {pool}  {bar(node, now_ns)}")
            now_ns = settle(node, now_ns)
    except PoolExhausted as refusal:
        print(f"{name:8}waits: {refusal}")

    decision = grow(node.view(now_ns), settings)
    need = f"The pool needs more ({decision.reason})" if decision else "The pool needs no more"
    limit = f"the type has only {node.limits.eni_limit} ENIs" if decision and decision.blocked else "EC2 has not granted it yet"
    free = ec2.subnets[0].available_ip_address_count
    print(f"\n{need}, but {limit}.")
    print(f"{pod_count} pods run. The node takes {251 - free} of the subnet's 251 addresses: {pod_count} for pods and one for each ENI.")


if __name__ == "__main__":
    main()
