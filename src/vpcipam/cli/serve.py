"""`vpcipam serve`: EC2 and instance metadata over HTTP."""

import math
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vpcipam.cli.command import FILE, IntRange, Output, OutputCommand
from vpcipam.cli.streams import to_json
from vpcipam.errors import InvalidArgument, VpcIpamError

if TYPE_CHECKING:
    from vpcipam.ec2 import Conditions
    from vpcipam.ec2.faults import Fault

EXAMPLES = (
    "vpcipam serve",
    "vpcipam serve --port 0 --ready-file url.txt",
    "vpcipam serve --port 0 --throttle --latency --faults refuse:CreateNetworkInterface:InsufficientFreeAddressesInSubnet=0.1",
    "vpcipam serve --port 0 --json --save world.json",
)
DEFAULT_PORT = 5510
_NOT_CHECKED = "signatures are not checked: any credentials do, and whoever reaches the port can change everything"


class PortTaken(VpcIpamError):
    """The server can't listen on the address."""


class _Speed(click.FloatRange):
    """A number in a range, which `nan` is not, although no bound excludes it."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401 - as click's
        number = super().convert(value, param, ctx)
        return self.fail(f"{value} is not a number.", param, ctx) if math.isnan(number) else number


@click.command("serve", cls=OutputCommand, examples=EXAMPLES, has_pages=False)
@click.option(
    "--port",
    metavar="P",
    type=IntRange(0, 65_535),
    default=DEFAULT_PORT,
    show_default=True,
    help="The port to listen on; 0 picks a free one.",
)
@click.option("--host", metavar="ADDRESS", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--ready-file", metavar="FILE", type=FILE, help="Write the base URL to FILE once requests are answered.")
@click.option(
    "--state",
    "states",
    metavar="FILE",
    multiple=True,
    type=FILE,
    help="Start with what FILE has: a world, as --save writes it; a scenario; or an answer of `aws ec2 describe-…`. Repeatable.",
)
@click.option(
    "--save",
    metavar="FILE",
    type=FILE,
    help="Write the world, all resources of the account, to FILE when the server ends. --state reads it.",
)
@click.option("--region", metavar="NAME", help="The region in the answers; by default that of the first subnet, else us-east-1.")
@click.option("--throttle", is_flag=True, help="Throttle calls as EC2 documents.")
@click.option("--latency", is_flag=True, help="Let calls take as long as they typically do.")
@click.option(
    "--faults",
    metavar="EFFECT[:ACTION[:CODE]]=RATE|#N",
    multiple=True,
    help="Inject faults: refuse, lose-answer, take-address, or for InstanceMetadata hide-eni, hide-addresses, repeat-answer. RATE is a "
    "share of the calls, such as 0.1; #3 is the third call. Repeatable.",
)
@click.option("--seed", metavar="N", type=int, default=0, show_default=True, help="Set the random seed of latencies and faults.")
@click.option("--speed", metavar="X", type=_Speed(0, 10_000, min_open=True), default=1.0, help="Let time pass X times as fast.")
@click.option("--instance", "instance_id", metavar="ID", help="The instance whose metadata is at /latest/. Needed if there are several.")
@click.option("--metadata-port", metavar="P", type=IntRange(0, 65_535), help="Listen on this port too, for metadata.")
@click.option("--imds-v1", is_flag=True, help="Let instances that don't say otherwise show metadata without a token.")
def command(
    *,
    port: int,
    host: str,
    ready_file: str | None,
    states: tuple[str, ...],
    save: str | None,
    region: str | None,
    throttle: bool,
    latency: bool,
    faults: tuple[str, ...],
    seed: int,
    speed: float,
    instance_id: str | None,
    metadata_port: int | None,
    imds_v1: bool,
) -> Output:
    """Answer AWS clients as EC2 does, from a model in memory.

    The metadata of each instance is at /instance/ID/latest/. Ctrl-C or SIGTERM ends the server.
    """
    from vpcipam.cli.serve_state import load, writable  # noqa: PLC0415 - only this command needs the model
    from vpcipam.ec2.serve.running import Runner, base_url, is_loopback, listen  # noqa: PLC0415 - likewise, and an extra
    from vpcipam.ec2.serve.service import Service  # noqa: PLC0415 - likewise

    # Not before `serve`, which says what all of it needs.
    # isort: split
    from vpcipam.ec2.offline.request import Region  # noqa: PLC0415 - likewise

    kept = None if save is None else writable(save)
    model, notes = load(states, imds_v1=imds_v1)
    model.set_conditions(_conditions(faults, throttle=throttle, latency=latency, seed=seed))
    if region is None:
        region = model.subnets[0].availability_zone[:-1] if model.subnets else "us-east-1"
    service = Service(
        model,
        Region(region),
        _clock(speed),
        token_key=secrets.token_bytes(),
        speed=speed,
        instance_id=instance_id,
    )
    sockets = []
    for wanted in (port, *(() if metadata_port is None else (metadata_port,))):
        try:
            sockets.append(listen(host, wanted))
        except OSError as error:
            raise PortTaken(f"can't listen on {host}, port {wanted}: {error.strerror or error}; give another --host or --port") from None
    runner = Runner(service, sockets)
    ready = None if ready_file is None else Path(ready_file)
    if ready is not None:
        ready.unlink(missing_ok=True)  # that of an earlier server

    def serve(show: Callable[[], None]) -> None:
        def on_ready() -> None:
            if ready is not None:
                _write_whole(ready, f"{runner.url}\n")
            show()

        runner.run(on_ready)
        if ready is not None:
            ready.unlink(missing_ok=True)
        if kept is not None:
            _write_whole(kept, to_json(model.to_world()))

    warning = f"warning: {host} is not a loopback address, so others on the network can reach the server"
    notes = (*notes, *(() if is_loopback(host) else (warning,)), _NOT_CHECKED)
    document = {"url": runner.url, "metadata_url": base_url(sockets[-1]), "region": region}
    lines = (
        f"EC2 in {region}: {runner.url}",
        f"metadata of an instance: {document['metadata_url']}/instance/ID/latest/",
        f"for AWS clients: export AWS_ENDPOINT_URL_EC2={runner.url}",
        "Ctrl-C ends it",
    )
    return Output(document=document, show="".join(f"{line}\n" for line in lines), notes=notes, one_line=True, run=serve)


def _clock(speed: float) -> Callable[[], int]:
    """Return a clock that starts at the present time."""
    start_ns = time.time_ns()
    begin_ns = time.monotonic_ns()
    return lambda: start_ns + round((time.monotonic_ns() - begin_ns) * speed)


def _write_whole(path: Path, text: str) -> None:
    """Write a file so that whoever sees it sees all of it."""
    temporary = path.with_name(f"{path.name}.new")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def _conditions(faults: tuple[str, ...], *, throttle: bool, latency: bool, seed: int) -> "Conditions | None":
    from vpcipam.ec2.conditions import Conditions  # noqa: PLC0415 - only this command needs it
    from vpcipam.ec2.faults import Faults  # noqa: PLC0415 - likewise
    from vpcipam.ec2.latency import TYPICAL_LATENCIES  # noqa: PLC0415 - likewise
    from vpcipam.ec2.throttle import Throttle  # noqa: PLC0415 - likewise

    if not (faults or throttle or latency):
        return None
    return Conditions(
        Throttle() if throttle else None,
        TYPICAL_LATENCIES if latency else None,
        faults=Faults(tuple(_fault(text) for text in faults), seed=seed),
        seed=seed,
    )


def _fault(text: str) -> "Fault":
    """Read EFFECT[:ACTION[:CODE]]=RATE|#N."""
    from vpcipam.ec2.api import METADATA_ACTION  # noqa: PLC0415 - only this option needs it
    from vpcipam.ec2.faults import Effect, Fault  # noqa: PLC0415 - likewise
    from vpcipam.ec2.offline.server import ACTIONS  # noqa: PLC0415 - likewise, and an extra

    what, _, when = text.partition("=")
    effect, action, code, *rest = [*what.split(":"), "", ""][: max(3, what.count(":") + 1)]
    try:
        known = effect not in {Effect.CRASH_BEFORE.value, Effect.CRASH_AFTER.value} and not rest
        options = {"nth": int(when[1:])} if when.startswith("#") else {"rate": float(when)}
        fault = Fault(
            Effect(effect if known else ""),
            **({"action": action} if action else {}),  # type: ignore[arg-type] # a text
            **({"code": code} if code else {}),  # type: ignore[arg-type] # a text
            **options,
        )
    except InvalidArgument as error:
        raise click.BadParameter(f"{text!r}: {error}", param_hint="--faults") from None
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is not EFFECT[:ACTION[:CODE]]=RATE or …=#N, such as refuse=0.01, lose-answer:CreateNetworkInterface=#1",
            param_hint="--faults",
        ) from None
    if fault.action not in {None, METADATA_ACTION, *ACTIONS}:
        raise click.BadParameter(f"{text!r}: the server has no action {fault.action}", param_hint="--faults")
    return fault
