"""The agent's decisions: what a request of the plugin, a tick and a restart do. It has no clock and no socket.

The order of the steps makes a kill at any point harmless. ADD records the address before it touches the kernel, and DEL clears the kernel
before it releases the address. So whatever the kernel has for a pod, the journal knows; and a restart drops a sandbox that the kernel does
not have.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import attrs

from vpcipam._units import NS_PER_S
from vpcipam.agent import cni
from vpcipam.agent.notes import discard_note, notes
from vpcipam.agent.wire import PROTOCOL, MessageError
from vpcipam.agent.wiring import Wiring
from vpcipam.datastore import Datastore
from vpcipam.ec2.api import Ec2Api, Subnet
from vpcipam.errors import InvalidArgument, JournalError, NodeError, PoolExhausted, UnknownNamespace, VpcIpamError
from vpcipam.events import SandboxEvicted
from vpcipam.journal.protocol import Restored
from vpcipam.node import Node
from vpcipam.node.node import NodeEvent
from vpcipam.sandbox import PodRef, SandboxKey
from vpcipam.stats import Assignment

VPC_CIDRS_INTERVAL_NS: Final = 60 * NS_PER_S
"""How often the agent asks EC2 whether the VPC has other CIDRs. ipamd reads them every 30 s, but from metadata, which costs no call."""

Answer = dict[str, Any]
_ERROR_CODES: Final = (
    (PoolExhausted, cni.TRY_AGAIN),
    (NodeError, cni.TRY_AGAIN),
    (JournalError, cni.IO_ERROR),
    (MessageError, cni.DECODE_ERROR),
    (UnknownNamespace, cni.NETNS_ERROR),
    (InvalidArgument, cni.ENVIRONMENT_ERROR),
)


class Agent:
    """A node and its kernel, in step. Any thread may send requests. Those about one sandbox, or one pod, are carried out one by one.

    Args:
        node: a node that is not started, with journals.
        ec2: what the node calls, to learn the MACs and subnets of its ENIs.
        wiring: the kernel.
        folder: where the plugin leaves notes.
        vpc_cidrs: asks for the IPv4 CIDRs of the VPC. It may raise a `VpcIpamError`.
        log: takes one line for a person.
    """

    def __init__(
        self,
        node: Node,
        ec2: Ec2Api,
        wiring: Wiring,
        *,
        folder: str,
        vpc_cidrs: Callable[[], tuple[str, ...]],
        log: Callable[[str], object],
    ) -> None:
        self.node = node
        self._ec2 = ec2
        self._wiring = wiring
        self._folder = folder
        self._read_vpc_cidrs = vpc_cidrs
        self._log = log
        self._changed = threading.Condition()
        self._busy: set[SandboxKey | PodRef] = set()  # what requests are about; they wait for each other only there
        self._vpc_cidrs: tuple[str, ...] = ()
        self._vpc_cidrs_due_ns = 0
        self._wanted: object = None  # the ENIs and CIDRs of the last set-up that succeeded
        self._usable: frozenset[str] = frozenset()
        self._evicted_count = self._swept_count = 0  # evictions so far, and those whose routes and rules are gone

    # --- start and ticks -----------------------------------------------------------------------------------------------------

    def start(self, now_ns: int) -> None:
        """Restore the journals, bring the kernel in step with them, and carry out the plugin's notes.

        As in ipamd, a sandbox without an interface on the host is gone. Then what the others lack on the host is restored, which ipamd
        does not do. What fails for one sandbox is logged, and doesn't keep the others from starting.

        Raises:
            VpcIpamError: the node can't start, or the kernel refuses what all pods share.
        """
        gone: dict[tuple[SandboxKey, PodRef | None], list[str]] = {}
        standing = self._wiring.look()
        for datastore in self.node.datastores:
            for entry in restored(datastore, now_ns).assigned:
                if not self._wiring.is_connected(entry.key, standing):
                    gone.setdefault((entry.key, entry.pod), []).append(entry.address)
        cleared = []
        for (key, pod), addresses in gone.items():
            with self._logged(f"can't clear what {key} has left"):
                self._wiring.disconnect(key, pod, tuple(addresses))
                cleared.append(key)
                self._log(f"{key} on {', '.join(addresses)} has no interface on the host, so it is gone")
        restart = self.node.restore(now_ns, gone=cleared)
        self._log(f"restored: {restart}")
        for action in restart.actions:
            self._log(str(action))
        self._look_at_vpc(now_ns)
        self._set_up(now_ns)
        standing = self._wiring.look()
        for key in self._held_keys():
            with self._logged(f"can't repair the network of {key}"):
                self._wiring.repair(key, self._pod(key), self._assignments(key), standing)
        self._carry_out_notes(now_ns)

    def tick(self, now_ns: int) -> None:
        """Let the node check its pool, set up ENIs that have come or gone, and carry out the plugin's notes.

        What fails is logged and tried again at the next tick. If it is the node, the rest waits too.
        """
        for action in self.node.tick(now_ns):
            self._log(str(action))
        with self._logged("can't read the CIDRs of the VPC"):  # those that it had go on
            self._look_at_vpc(now_ns)
        with self._logged("can't set up the node"):
            self._sweep_evicted()
            self._set_up(now_ns)
        self._carry_out_notes(now_ns)

    def _carry_out_notes(self, now_ns: int) -> None:
        with self._logged("can't read the notes"):
            for note in [*notes(self._folder)]:
                key = SandboxKey(*note)
                with self._logged(f"can't delete {key}"), self._alone(key):
                    if note in notes(self._folder):  # else an ADD has superseded it meanwhile
                        self._log(f"{key} was deleted while no agent answered")
                        self._delete(key, now_ns)
                        discard_note(self._folder, note)

    @contextlib.contextmanager
    def _logged(self, what: str, failures: list[str] | None = None) -> Iterator[None]:
        """Log a failure that concerns one pod, or that the next tick can mend, and add it to a list."""
        try:
            yield
        except (VpcIpamError, OSError) as error:
            self._log(f"{what}: {error}")
            if failures is not None:
                failures.append(f"{what}: {error}")

    def note_event(self, event: NodeEvent) -> None:
        """Take an event of the node, whose `on_event` must call this: EC2 can take addresses from sandboxes."""
        if isinstance(event, SandboxEvicted):
            self._evicted_count += 1
            self._log(str(event))

    def _sweep_evicted(self) -> None:
        """Clear the kernel of the addresses that EC2 has taken from sandboxes. They cool, so no other sandbox has got them yet."""
        evicted_count = self._evicted_count
        if evicted_count > self._swept_count:
            self._wiring.sweep(self._held_addresses)
            self._swept_count = evicted_count

    def _look_at_vpc(self, now_ns: int) -> None:
        if now_ns >= self._vpc_cidrs_due_ns:
            self._vpc_cidrs = self._read_vpc_cidrs()
            self._vpc_cidrs_due_ns = now_ns + VPC_CIDRS_INTERVAL_NS

    def _set_up(self, now_ns: int) -> None:
        """Set up the node if its ENIs or the VPC's CIDRs have changed, or an ENI was not ready."""
        managed = frozenset(eni_id for datastore in self.node.datastores for eni_id in datastore.eni_ids)
        wanted = managed, self._vpc_cidrs
        if wanted == self._wanted and self._usable >= managed:
            return
        attached = self._ec2.describe_network_interfaces(instance_id=self.node.instance_id, now_ns=now_ns)
        enis = [eni for eni in attached if eni.eni_id in managed or (eni.attachment and eni.attachment.device_index == 0)]
        subnet_ids = {eni.subnet_id for eni in enis}
        subnets: dict[str, Subnet] = {
            subnet.subnet_id: subnet for subnet in self._ec2.describe_subnets(subnet_ids=sorted(subnet_ids), now_ns=now_ns)
        }
        self._usable = self._wiring.set_up(enis, subnets, self._vpc_cidrs)
        self._wanted = wanted
        waiting = sorted(managed - self._usable)
        self._log(f"set up {len(enis)} ENIs" + (f"; the kernel has no interface for {', '.join(waiting)} yet" if waiting else ""))

    # --- requests ------------------------------------------------------------------------------------------------------------

    def answer(self, request: Mapping[str, Any], netns: str | None, now_ns: int) -> Answer:
        """Carry out a request of the plugin; an error is an answer too.

        Args:
            request: the message.
            netns: the path of the pod's network namespace, if the plugin has passed it.
            now_ns: the time.
        """
        try:
            return self._answer(request, netns, now_ns)
        except Exception as error:  # noqa: BLE001 - one request that fails must not end the others
            answer = refusal(error)
            self._log(
                f"{request.get('verb')} {request.get('key', '')}: refused: {answer['error']['msg']} {answer['error']['details']}".rstrip()
            )
            return answer

    def _answer(self, request: Mapping[str, Any], netns: str | None, now_ns: int) -> Answer:
        if request.get("protocol") != PROTOCOL:
            raise cni.CniError(
                cni.VERSION_ERROR,
                "plugin and agent are of different releases",
                f"the plugin speaks version {request.get('protocol')!r}, the agent {PROTOCOL}",
            )
        match request:
            case {"verb": "ADD", "key": key, "pod": [str(namespace), str(name)], "every_card": bool(every_card)}:
                sandbox, pod = _key(key), PodRef(namespace, name) if name else None
                with self._alone(sandbox, pod):
                    return self._add(sandbox, pod, _required(netns), now_ns, every_card=every_card)
            case {"verb": "DEL", "key": key}:
                with self._alone(_key(key)):
                    self._delete(_key(key), now_ns)
            case {"verb": "CHECK", "key": key}:
                with self._alone(_key(key)):
                    return self._check(_key(key), _required(netns))
            case {"verb": "GC", "network": str(network), "valid": list(valid)}:
                self._collect(network, {_key([network, *each] if isinstance(each, list) else each) for each in valid}, now_ns)
            case {"verb": "STATUS"}:
                self._status(now_ns)
            case _:
                raise MessageError(f"a request is not readable: its verb is {request.get('verb')!r}")
        return {}

    @contextlib.contextmanager
    def _alone(self, key: SandboxKey, pod: PodRef | None = None) -> Iterator[None]:
        """Wait for requests about the sandbox, and about others of its pod, which can have the same host interface.

        Requests about other pods go on meanwhile: an IPv6 pod takes the kernel one or two seconds.
        """

        def subjects() -> set[SandboxKey | PodRef]:
            return {key, pod or self._pod(key) or key}

        with self._changed:
            self._changed.wait_for(lambda: self._busy.isdisjoint(subjects()))
            taken = subjects()
            self._busy |= taken
        try:
            yield
        finally:
            with self._changed:
                self._busy -= taken
                self._changed.notify_all()

    def _add(self, key: SandboxKey, pod: PodRef | None, netns: str, now_ns: int, *, every_card: bool) -> Answer:
        for other in self._held_keys():
            if pod and other.container_id == key.container_id and other != key and self._pod(other) == pod:
                raise cni.CniError(cni.NOT_AS_EXPECTED, f"the pod is connected already, as {other}", "a pod has one attachment")
        discard_note(self._folder, key)  # of an earlier DEL, which this ADD supersedes
        held = self._assignments(key)
        try:
            assignments = held or self._assign(key, pod, now_ns, every_card=every_card)
            self._require_set_up(assignments)
            interfaces = self._wiring.connect(key, pod, assignments, netns)
        except BaseException:
            if not held and self._assignments(key):  # what an earlier ADD gave it, it keeps
                with self._logged(f"can't undo the ADD of {key}"):
                    self._delete(key, now_ns)
            raise  # the first error, also if there is a second
        self._log(f"{key} ({pod or 'no pod'}) has {', '.join(each.address for each in assignments)}")
        return {"attachments": [attrs.asdict(each) for each in interfaces]}

    def _require_set_up(self, assignments: tuple[Assignment, ...]) -> None:
        for each in assignments:
            if each.eni_id not in self._usable:
                raise cni.CniError(cni.TRY_AGAIN, f"{each.eni_id} is not set up yet", "the kernel has no interface with its MAC")

    def _assign(self, key: SandboxKey, pod: PodRef | None, now_ns: int, *, every_card: bool) -> tuple[Assignment, ...]:
        """Assign an address of the first card that has one, or one of each card."""
        if every_card and not self.node.settings.enable_multi_nic:
            raise cni.CniError(cni.CONFIG_ERROR, "the pod wants an address of every network card", "set ENABLE_MULTI_NIC for the agent")
        cards = [datastore.network_card for datastore in self.node.datastores]
        if every_card:
            return tuple(self.node.assign(key, now_ns, pod, network_card=card) for card in cards)
        for card in cards[:-1]:
            with contextlib.suppress(PoolExhausted):  # as ipamd, which moves on to the next card only then
                return (self.node.assign(key, now_ns, pod, network_card=card),)
        return (self.node.assign(key, now_ns, pod, network_card=cards[-1]),)

    def _delete(self, key: SandboxKey, now_ns: int) -> None:
        """Clear the kernel, then release the addresses. A sandbox that has none is deleted already."""
        held = self._assignments(key)
        undecided = [entry for entry in self.node.quarantined if entry.key == key and not entry.elsewhere]
        addresses = [each.address for each in held] + [entry.address for entry in undecided if entry.address]
        if not held and not undecided:
            return
        pod = next((entry.assigned.pod for entry in undecided if entry.assigned), self._pod(key))
        self._wiring.disconnect(key, pod, tuple(addresses))
        for datastore in self.node.datastores:
            if datastore.assignment_of(key) is not None or any(entry in undecided for entry in datastore.quarantined):
                datastore.unassign(key, now_ns)
        self._log(f"{key} has given back {', '.join(addresses)}")

    def _check(self, key: SandboxKey, netns: str) -> Answer:
        held = self._assignments(key)
        if not held:
            raise cni.CniError(cni.NOT_AS_EXPECTED, f"{key} has no address", "it was deleted, or never added")
        missing = self._wiring.check(key, self._pod(key), held, netns)
        if missing:
            raise cni.CniError(cni.NOT_AS_EXPECTED, f"the datapath of {key} is incomplete", "; ".join(missing))
        return {"addresses": [each.address for each in held]}

    def _collect(self, network: str, valid: set[SandboxKey], now_ns: int) -> None:
        """Delete the sandboxes of a network that are not valid, and what the kernel has for addresses that nobody holds."""
        failures: list[str] = []
        undecided = (entry.key for entry in self.node.quarantined if entry.key is not None)
        for key in {*self._held_keys(), *undecided}:
            if key.network_name == network and key not in valid:
                with self._logged(f"can't delete {key}", failures), self._alone(key):
                    self._delete(key, now_ns)
        with self._logged("can't remove what nobody holds", failures):
            self._wiring.sweep(self._held_addresses)
        if failures:
            raise cni.CniError(cni.NOT_AS_EXPECTED, f"{len(failures)} things can't be collected", "; ".join(failures))

    def _status(self, now_ns: int) -> None:
        stats = [datastore.stats(now_ns) for datastore in self.node.datastores]
        if not any(each.available_count > each.cooling_count for each in stats):
            counts = f"{sum(each.total_count for each in stats)} addresses, {sum(each.cooling_count for each in stats)} of them cooling"
            raise cni.CniError(cni.NOT_AVAILABLE, "the node has no free address", counts)

    # --- who holds what ------------------------------------------------------------------------------------------------------

    def _held_keys(self) -> list[SandboxKey]:
        return [*dict.fromkeys(key for datastore in self.node.datastores for key, _ in datastore.assignments())]

    def _held_addresses(self) -> frozenset[str]:
        return frozenset(assignment.address for datastore in self.node.datastores for _, assignment in datastore.assignments())

    def _assignments(self, key: SandboxKey) -> tuple[Assignment, ...]:
        """Return the addresses of a sandbox, in the order of the network cards."""
        return tuple(each for datastore in self.node.datastores if (each := datastore.assignment_of(key)) is not None)

    def _pod(self, key: SandboxKey) -> PodRef | None:
        return next((pod for datastore in self.node.datastores if (pod := datastore.pod_of(key)) is not None), None)


def refusal(error: Exception) -> Answer:
    """Return the answer that an error is."""
    if isinstance(error, cni.CniError):
        return {"error": {"code": error.code, "msg": str(error), "details": error.details}}
    code = next((code for kind, code in _ERROR_CODES if isinstance(error, kind)), cni.INTERNAL_ERROR)
    message = str(error) if isinstance(error, VpcIpamError) else f"the agent failed: {type(error).__name__}: {error}"
    return {"error": {"code": code, "msg": message, "details": ""}}


def restored(datastore: Datastore, now_ns: int) -> Restored:
    """Return the content of a datastore's journal."""
    return Restored(()) if datastore.journal is None else datastore.journal.restore(now_ns)


def _key(parts: object) -> SandboxKey:
    match parts:
        case [str(network), str(container), str(interface)] if network and container and interface:
            return SandboxKey(network, container, interface)
    raise MessageError(f"a key must be three texts, not {parts!r}")


def _required(netns: str | None) -> str:
    if netns is None:
        raise MessageError("a request has no network namespace")
    return netns
