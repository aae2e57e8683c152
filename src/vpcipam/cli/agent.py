"""`vpcipam agent`: a node of this machine."""

import contextlib
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import click

from vpcipam.agent.wire import DEFAULT_FOLDER, socket_path
from vpcipam.cli.command import FILE, IntRange, Output, OutputCommand
from vpcipam.cli.manifests import node_settings
from vpcipam.cli.node_options import node_options
from vpcipam.cli.streams import note
from vpcipam.errors import MissingExtra

EXAMPLES = (
    "vpcipam agent --instance-id i-0123456789abcdef0 --region eu-central-1",
    "vpcipam agent --instance-id i-00000000000000001 --state-folder /run/node-1 --set WARM_IP_TARGET=2",
)
DEFAULT_PORT = 61_679
"""The port of ipamd's introspection."""


@click.command("agent", cls=OutputCommand, examples=EXAMPLES, has_pages=False)
@click.option("--instance-id", metavar="ID", required=True, help="The EC2 instance that this node is.")
@click.option("--region", metavar="NAME", help="[default: that of the environment or the profile]")
@click.option("--profile", metavar="NAME", help="A profile of ~/.aws/config.")
@click.option(
    "--state-folder",
    metavar="FOLDER",
    type=FILE,
    default=DEFAULT_FOLDER,
    show_default=True,
    help="The agent's socket, its journals and the plugin's notes. It must be empty after a boot.",
)
@click.option(
    "--port",
    metavar="P",
    type=IntRange(0, 65_535),
    default=DEFAULT_PORT,
    show_default=True,
    help="For introspection and metrics, on 127.0.0.1; 0 picks a free one.",
)
@node_options
def command(
    *,
    instance_id: str,
    region: str | None,
    profile: str | None,
    state_folder: str,
    port: int,
    daemonset: str | None,
    assignments: tuple[tuple[str, str], ...],
    max_pods: int | None,
    max_pods_by: str | None,
) -> Output:
    """Give the pods of this machine their addresses, and wire them; `vpcipam-cni` is the plugin for the container runtime.

    It calls EC2, or what AWS_ENDPOINT_URL_EC2 names. It needs root, as it sets routes, rules and filters in the network namespace that it
    runs in. SIGTERM ends it, and pods go on. It wires no branch ENIs, no egress by the other IP version, and no encryption.
    """
    from vpcipam.agent.agent import Agent  # noqa: PLC0415 - only this command needs it
    from vpcipam.agent.running import Runner, steady_clock  # noqa: PLC0415 - likewise
    from vpcipam.cli.ec2_client import Ec2Session, with_advice  # noqa: PLC0415 - likewise
    from vpcipam.ec2.api import Ec2Error  # noqa: PLC0415 - likewise
    from vpcipam.journal.sqlite import SqliteJournal  # noqa: PLC0415 - likewise
    from vpcipam.node import Node, NodeEvent  # noqa: PLC0415 - likewise
    from vpcipam.prometheus import IpamMetrics  # noqa: PLC0415 - likewise

    try:
        from vpcipam.agent.kernel import KernelWiring, uses_nftables  # noqa: PLC0415 - an extra
    except MissingExtra:
        raise MissingExtra("the agent needs pyroute2: pip install 'vpcipam[cli,ec2,datapath]'") from None

    settings = node_settings(daemonset, assignments)
    session = Ec2Session(region, profile)
    try:
        instance = session.ec2.describe_instance(instance_id, now_ns=time.time_ns())
        limits = session.find_limits(instance.instance_type)
    except Ec2Error as error:
        raise with_advice(error, session.region) from error
    wiring = KernelWiring(settings, nftables=uses_nftables(), log=_log)
    Path(state_folder).mkdir(mode=0o755, parents=True, exist_ok=True)
    card_count = len(limits.network_cards) if settings.enable_multi_nic else 1
    journals = [SqliteJournal(Path(state_folder, f"card-{card}.journal")) for card in range(card_count)]
    metrics = IpamMetrics()

    def on_event(event: NodeEvent) -> None:
        metrics(event)
        agent.note_event(event)

    ec2 = metrics.count_calls(session.ec2)
    node = Node(
        limits,
        settings,
        ec2,
        subnet_id=instance.subnet_id,
        instance_id=instance_id,
        max_pods=max_pods,
        max_pods_by=max_pods_by,
        journals=journals,
        on_event=on_event,
    )
    agent = Agent(node, ec2, wiring, folder=state_folder, vpc_cidrs=lambda: session.ec2.vpc_cidrs(instance.vpc_id), log=_log)
    runner = Runner(agent, metrics=metrics, folder=state_folder, port=port, clock=steady_clock(), log=_log)

    def run(show: Callable[[], None]) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: runner.stop())
        try:
            runner.run(show)
        finally:
            for journal in journals:
                journal.close()

    socket = socket_path(state_folder)
    show = f"the agent of {instance_id} answers at {socket}\nintrospection: {runner.url}/v1/enis\nmetrics: {runner.url}/metrics\n"
    return Output(document={"socket": socket, "url": runner.url}, show=show, one_line=True, run=run)


def _log(line: str) -> None:
    with contextlib.suppress(OSError):  # who reads stderr may have ended, or its disk may be full; pods come and go nevertheless
        note(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ} {line}")
