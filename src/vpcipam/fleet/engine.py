"""Run a fleet through time: a discrete-event simulation of nodes, pods and EC2.

A node ticks only when a tick can do something (`Node.calm`, `Node.next_wakeup`), at the same instants as if every node ticked every 5 s.
Order at one instant: booted nodes start, started nodes join, nodes look at their pools; then pods are deleted, pods arrive, kubelets try
again, empty nodes go, and a sample is taken.
"""

from collections.abc import Callable, Iterator
from heapq import heappush

from vpcipam._chance import seed_of_member
from vpcipam._units import MINUTE_NS, NS_PER_S, S_PER_HOUR
from vpcipam.action import Action
from vpcipam.ec2.api import Ec2Error
from vpcipam.errors import NodeError, PoolExhausted
from vpcipam.fleet.ec2_samples import Ec2Sampler
from vpcipam.fleet.ec2_setup import make_recorder, set_up_ec2
from vpcipam.fleet.ledger import NEVER_NS, Ledger, no_garbage_collection
from vpcipam.fleet.loop import ARRIVE, DELETE, NO_PODS, Event, Member, Scheduler, count_cooling, run_until
from vpcipam.fleet.metrics import FleetResult, FleetSample
from vpcipam.fleet.retries import Retries
from vpcipam.fleet.scenario import Scenario, node_name
from vpcipam.fleet.trunks import TrunkController
from vpcipam.node import Node

Observer = Callable[[Member, tuple[Action, ...]], None]
"""Called with a node and the actions of one of its ticks."""
Progress = Callable[[int, int], None]
"""Called with the simulated time so far and the duration, in nanoseconds."""

EVENTS_PER_WINDOW = 128
"""About how many events `Fleet.run` handles between two yields."""
_LAUNCH_RETRY_NS = MINUTE_NS
_START_RETRY_NS = 10 * NS_PER_S
_SCALE_DOWN_INTERVAL_NS = 10 * NS_PER_S  # the Kubernetes cluster autoscaler looks at nodes this often (its --scan-interval)

# Event kinds, besides DELETE and ARRIVE of pods. At equal times the lower one comes first.
START, READY, WAKE = range(DELETE)
RETRY, SCALE_DOWN, SAMPLE, END = range(ARRIVE + 1, ARRIVE + 5)


def simulate(
    scenario: Scenario, *, progress: Progress | None = None, observer: Observer | None = None, tickless: bool = True
) -> FleetResult:
    """Run a scenario.

    Args:
        scenario: what to run.
        progress: called from time to time.
        observer: called with the actions of each tick that has any.
        tickless: tick a node only when a tick can do something; False ticks every 5 s, with the same result.

    Complexity: O(1) for a pod that finds an address, amortised; O(ENIs) for each tick of a node.
    """
    fleet = Fleet(scenario, observer=observer, tickless=tickless)
    for now_ns in fleet.run():
        if progress is not None:
            progress(now_ns, scenario.duration_ns)
    return fleet.result()


class Fleet:
    """A run of a scenario.

    Invariants:

    1. Each pod that has arrived is running, waiting, pending, done or refused, and only one of these.
    2. If a tick can change a node's pool, the node wakes at that tick or before.
    """

    @no_garbage_collection()
    def __init__(self, scenario: Scenario, *, observer: Observer | None = None, tickless: bool = True) -> None:
        """Set up EC2 and the nodes that exist at the start."""
        self.scenario = scenario
        self.ec2, self.subnet_ids = set_up_ec2(scenario)
        self.ledger = Ledger(scenario.workload.pods(scenario.seed, scenario.duration_ns))
        self.members: list[Member] = []
        self.refused_count = self.waiting_count = 0
        self.address_count = self.eni_count = self.prefix_count = 0
        self._observer = observer
        self._tickless = tickless
        self._scheduler = Scheduler(scenario.groups, most_allocated=scenario.scheduling == "most-allocated", seed=scenario.seed)
        self._live_counts = [0 for _ in scenario.groups]
        self._made_counts = [0 for _ in scenario.groups]
        self._booting_room = 0
        self._launch_again_ns = 0
        self._by_name: dict[str, Member] = {}
        self._rejected: set[int] = set()  # pods that were rejected by their node and are not deleted yet
        self._early: dict[int, int] = {}  # pods bound to a node that is not ready yet: when each began to wait
        self._retries: dict[int, Retries] = {}  # by node, once a pod has waited there
        self._recorder = make_recorder(scenario)
        self._trunks = TrunkController(self.ec2, self._recorder, scenario.seed)
        self._events: list[Event] = [(NEVER_NS, END, 0)]  # a heap, never empty
        self._handlers = {
            START: self._start,
            READY: self._ready,
            WAKE: self._wake,
            RETRY: self._retry,
            SCALE_DOWN: self._scale_down,
            SAMPLE: self._sample,
        }
        self._set_up_nodes()
        self._ec2_sampler = Ec2Sampler(self.ec2, self.subnet_ids, scenario)

    def _set_up_nodes(self) -> None:
        """Start the initial nodes and fill their pools, instantly and without counting the calls."""
        for number, group in enumerate(self.scenario.groups):
            for _ in range(group.count):
                if self._launch(number, 0, boots=False):
                    self._start(len(self.members) - 1, 0)
                    if (member := self.members[-1]).node.asks_for_trunk(0):
                        self._after_tick(member, member.node.reconcile(0), 0)
        self.ec2.set_conditions(self.scenario.ec2.conditions(self.scenario.seed))

    # --- the loop ------------------------------------------------------------------------------------------------------------

    def run(self) -> Iterator[int]:
        """Run to the end. Yields the simulated time after each window of events."""
        until_ns, window_ns = self.scenario.duration_ns, self._window_ns()
        self._push(0, SAMPLE, 0)
        with no_garbage_collection():
            for begin_ns in range(0, until_ns, window_ns):
                end_ns = min(begin_ns + window_ns, until_ns)
                run_until(end_ns, self._events, self.ledger, self._scheduler, self)
                yield end_ns
        self._sample(0, until_ns)

    def _window_ns(self) -> int:
        hours = self.scenario.duration_ns / (S_PER_HOUR * NS_PER_S)
        wakes = hours * sum(group.max_count for group in self.scenario.groups)
        return max(1, int(self.scenario.duration_ns * EVENTS_PER_WINDOW / (2 * len(self.ledger.names) + wakes + EVENTS_PER_WINDOW)))

    def handle(self, event: Event) -> None:
        """Handle an event of a node, or of the fleet."""
        time_ns, kind, number = event
        self._handlers[kind](number, time_ns)

    def _push(self, time_ns: int, kind: int, number: int) -> None:
        """Schedule an event. It must not come before the current one."""
        heappush(self._events, (time_ns, kind, number))

    def delete_unserved(self, number: int, member: Member | None, now_ns: int) -> None:
        """Delete a pod that never had an address."""
        self.ledger.unserved_count += 1
        if number in self._rejected:
            self._rejected.remove(number)
            return
        self.refused_count += 1
        self._recorder.to_start_ns.append(now_ns - self.ledger.created_ns[number])
        if member is None:
            waiting = self._early if number in self._early else self.ledger.pending
            self._recorder.for_node_ns.append(now_ns - waiting.pop(number))
            return
        self._recorder.for_address_ns.append(now_ns - self._stop_waiting(member, number))
        self.ledger.homes[number] = None
        self._scheduler.move(member, member.pod_count - 1)
        self.after_deletion(member, now_ns)

    def after_deletion(self, member: Member, now_ns: int) -> None:
        """Give a deleted pod's place to a pending pod, and plan the next try of waiting pods, which may get its address later."""
        if self.ledger.pending:
            self._place_pending(now_ns)
        self._plan_retry(member, now_ns)
        if not member.pod_count:
            self._plan_scale_down(member, now_ns)

    # --- pods that wait for a node ---------------------------------------------------------------------------------------------

    def bind(self, name: str) -> Member | None:
        """Bind a pod to the node called `name`. Return None if the node does not exist yet, is gone, is not ready or is full."""
        member = self._by_name.get(name)
        if member is None or member.gone or not member.ready or member.pod_count >= member.room:
            return None
        self._scheduler.move(member, member.pod_count + 1)
        return member

    def wait_for_node(self, number: int, name: str | None, now_ns: int) -> None:
        """Queue a pod until a node has room, or until the node `name` is ready. Reject it ("OutOfpods") if `name` is missing or full."""
        if name is None:
            self.ledger.pending[number] = now_ns
            self._scale_up(now_ns)
            return
        member = self._by_name.get(name)
        if member is None or member.gone or member.ready:
            self._rejected.add(number)
            self.refused_count += 1
        else:
            self._early[number] = now_ns

    @property
    def pending_count(self) -> int:
        """Pods that wait for a node."""
        return len(self.ledger.pending) + len(self._early)

    def _place_early(self, member: Member, now_ns: int) -> None:
        """Bind the pods that waited for this node to be ready."""
        bound_to = self.ledger.bound_to
        assert bound_to is not None, "else no pod would wait for a node of its own"  # noqa: S101  # for the type checker
        for number, since_ns in list(self._early.items()):
            if bound_to[number] == member.name:
                del self._early[number]
                if self.bind(member.name) is None:
                    self.wait_for_node(number, member.name, now_ns)
                else:
                    self._place(member, number, since_ns, now_ns)

    def _place_pending(self, now_ns: int) -> None:
        """Bind pending pods while nodes have room, the oldest first."""
        pending = self.ledger.pending
        while pending and (member := self._scheduler.take()) is not None:
            number = next(iter(pending))
            self._place(member, number, pending.pop(number), now_ns)

    def _place(self, member: Member, number: int, since_ns: int, now_ns: int) -> None:
        """Put a pending pod on this node, and try to give the pod an address."""
        self.ledger.homes[number] = member
        self._recorder.for_node_ns.append(now_ns - since_ns)
        if not self._try(member, number, now_ns):
            self.wait_for_address(member, number, now_ns)

    # --- pods that wait for an address -------------------------------------------------------------------------------------------

    def _try(self, member: Member, number: int, now_ns: int) -> bool:
        """Try to give an address to a waiting pod. Return whether it got one."""
        try:
            member.pool.assign(self.ledger.keys[number], now_ns)
        except PoolExhausted:
            return False
        self._recorder.to_start_ns.append(now_ns - self.ledger.created_ns[number])
        self.wake_at_next_tick(member, now_ns)
        return True

    def wait_for_address(self, member: Member, number: int, now_ns: int) -> None:
        """Let a pod wait for an address on its node."""
        if member.waiting is NO_PODS:
            member.waiting = {}
        member.waiting[number] = now_ns
        self._retries.setdefault(member.number, Retries(self.scenario.retry_ns)).add(number, now_ns)
        self.waiting_count += 1
        self._trunks.explain_waiting(member, now_ns)
        self._plan_retry(member, now_ns)

    def _stop_waiting(self, member: Member, number: int) -> int:
        """Let a pod no longer wait for an address; return since when it did."""
        since_ns = member.waiting.pop(number)
        self._retries[member.number].remove(number, since_ns)
        self.waiting_count -= 1
        return since_ns

    def _plan_retry(self, member: Member, now_ns: int) -> None:
        """Schedule the kubelet's next try that can succeed. Earlier tries would change nothing, so they are left out."""
        if not member.waiting:
            return
        stats = member.node.stats(now_ns)
        if stats.available_count > stats.cooling_count:
            free_ns = now_ns
        else:
            cooldowns = member.datastore.cooldowns(now_ns)
            if not cooldowns:
                return  # planned again when the pool grows or a pod is deleted
            free_ns = cooldowns[0].until_ns
        soonest_ns = self._retries[member.number].soonest(max(free_ns, now_ns + 1))
        if soonest_ns < member.retry_ns:  # else a try is planned already, perhaps for this very instant
            member.retry_ns = soonest_ns
            self._push(soonest_ns, RETRY, member.number)

    def _retry(self, number: int, now_ns: int) -> None:
        """Carry out the kubelet's tries that are due on a node now."""
        member = self.members[number]
        if member.retry_ns != now_ns:
            return
        member.retry_ns = NEVER_NS
        for pod, since_ns in self._retries[number].due(now_ns):
            if not self._try(member, pod, now_ns):
                break  # the others would fail too
            self._stop_waiting(member, pod)
            self._recorder.for_address_ns.append(now_ns - since_ns)
        self._plan_retry(member, now_ns)

    # --- ticks of nodes ------------------------------------------------------------------------------------------------------

    def wake_at_next_tick(self, member: Member, now_ns: int) -> None:
        """Wake a node at its next tick."""
        tick_ns = member.node.next_tick(now_ns)
        if tick_ns < member.wake_ns:
            member.wake_ns = tick_ns
            self._push(tick_ns, WAKE, member.number)

    def _wake(self, number: int, now_ns: int) -> None:
        """Tick a node."""
        member = self.members[number]
        if member.wake_ns != now_ns:
            return  # its wakeup has moved since
        member.wake_ns = NEVER_NS
        if self._tickless:
            member.node.pass_over(now_ns)
        self._after_tick(member, member.node.tick(now_ns), now_ns)

    def _after_tick(self, member: Member, actions: tuple[Action, ...], now_ns: int) -> None:
        """Report a node's actions, update the fleet's counts, and schedule the node's next tick that can do something."""
        if actions and self._observer is not None:
            self._observer(member, actions)
        self._trunks.explain_waiting(member, now_ns)
        if member.revision != member.datastore.revision:
            self._count(member, now_ns)
        node = member.node
        calm = node.calm(now_ns)
        member.low, member.high = calm.low, calm.high
        reconciles = node.in_doubt or node.asks_for_trunk(now_ns)
        wake_ns = node.next_wakeup(now_ns, include_reconcile=reconciles, include_cleanup=True)
        if not self._tickless:  # a busy node wakes before its next tick
            tick_ns = node.next_tick(now_ns)
            wake_ns = tick_ns if wake_ns is None else min(wake_ns, tick_ns)
        if wake_ns is not None:
            member.wake_ns = wake_ns
            self._push(wake_ns, WAKE, member.number)
        self._plan_retry(member, now_ns)

    def _count(self, member: Member, now_ns: int) -> None:
        """Count what a node has attached, and update the fleet's counts."""
        datastore = member.datastore
        address_count, eni_count, prefix_count = datastore.total_count, len(datastore.eni_ids), datastore.prefix_count
        self.address_count += address_count - member.address_count
        self.eni_count += eni_count - member.eni_count
        self.prefix_count += prefix_count - member.prefix_count
        member.address_count, member.eni_count, member.prefix_count = address_count, eni_count, prefix_count
        member.revision = datastore.revision
        self._recorder.addresses(now_ns, self.address_count)

    # --- launches and terminations ----------------------------------------------------------------------------------------------

    def _launch(self, group_number: int, now_ns: int, *, boots: bool) -> bool:
        """Launch an instance; its ipamd starts when the instance has booted. Return whether EC2 launched it."""
        group = self.scenario.groups[group_number]
        count = self._made_counts[group_number]
        subnet_id = self.subnet_ids[group.subnets[count % len(group.subnets)]]
        ec2 = self.ec2
        try:
            instance = ec2.launch_instance(group.instance_type, subnet_id, now_ns=now_ns)
        except Ec2Error as error:
            self._recorder.event(now_ns, group.name, f"EC2 launches no node: {error}")
            return False
        name = node_name(group.name, count)
        node = Node(
            group.instance_type,
            group.settings,
            ec2,
            subnet_id=subnet_id,
            instance_id=instance.instance_id,
            pod_subnet_id=None if group.pod_subnet is None else self.subnet_ids[group.pod_subnet],
            max_pods=group.max_pods,
            max_pods_by=group.max_pods_by,
            name=name,
            placement=group.placement,
            seed=seed_of_member(self.scenario.seed, len(self.members)),
            cooldown_aware_targets=group.cooldown_aware_targets,
            hold_cooling_cidrs=group.hold_cooling_cidrs,
            policy=group.policy,
        )
        member = Member(len(self.members), name, group, node)
        self.members.append(member)
        self._by_name[name] = member
        self._made_counts[group_number] += 1
        self._live_counts[group_number] += 1
        self._booting_room += member.room
        if boots:
            self._push(now_ns + max(group.boot_ns, 1), START, member.number)
        return True

    def _start(self, number: int, now_ns: int) -> None:
        """Start a node's ipamd, then attach the trunk ENI that it asks for; try again later what EC2 refuses."""
        member = self.members[number]
        if not member.node.started:
            try:
                actions = member.node.start(now_ns)
            except (NodeError, Ec2Error) as error:
                self._recorder.event(now_ns, member.name, f"ipamd does not start: {error}")
                self._push(now_ns + _START_RETRY_NS, START, number)
                return
            self._after_tick(member, actions, now_ns)
            self._push(max(now_ns, member.node.ready_ns), READY, number)
        if not self._trunks.attach(member, now_ns):
            self._push(now_ns + _START_RETRY_NS, START, number)

    def _ready(self, number: int, now_ns: int) -> None:
        """Let a node take pods."""
        member = self.members[number]
        self._booting_room -= member.room
        member.ready = True
        self._scheduler.add(member)
        if self._early:
            self._place_early(member, now_ns)
        self._place_pending(now_ns)
        if not member.pod_count:
            self._plan_scale_down(member, now_ns)

    def _scale_up(self, now_ns: int) -> None:
        """Launch nodes for the pending pods that no node, booting or ready, has room for."""
        while len(self.ledger.pending) > self._booting_room and now_ns >= self._launch_again_ns:
            for number, group in enumerate(self.scenario.groups):
                if self._live_counts[number] < group.max_count and group.pods_per_node:
                    break
            else:
                return
            if not self._launch(number, now_ns, boots=True):
                self._launch_again_ns = now_ns + _LAUNCH_RETRY_NS

    def _plan_scale_down(self, member: Member, now_ns: int) -> None:
        if member.group.min_count < member.group.max_count:
            member.scale_down_ns = now_ns + member.group.scale_down_after_ns
            self._push(member.scale_down_ns, SCALE_DOWN, member.number)

    def _scale_down(self, number: int, now_ns: int) -> None:
        """Terminate a node that has been empty for long enough, if its group may shrink."""
        member = self.members[number]
        place = self.scenario.groups.index(member.group)
        if member.scale_down_ns != now_ns or member.pod_count:
            return
        busy_ns = member.node.busy_until(now_ns)
        if self._live_counts[place] <= member.group.min_count:
            member.scale_down_ns = now_ns + max(member.group.scale_down_after_ns, _SCALE_DOWN_INTERVAL_NS)
        elif busy_ns is not None:
            member.scale_down_ns = busy_ns
        elif self._terminate(member, now_ns):
            self._live_counts[place] -= 1
            return
        else:
            member.scale_down_ns = now_ns + _SCALE_DOWN_INTERVAL_NS
        self._push(member.scale_down_ns, SCALE_DOWN, number)

    def _terminate(self, member: Member, now_ns: int) -> bool:
        """Terminate a node. Return whether EC2 did so."""
        instance_id = member.node.instance_id
        assert instance_id is not None, "it was launched"  # noqa: S101  # for the type checker
        try:
            self.ec2.terminate_instance(instance_id, now_ns=now_ns)
        except Ec2Error:
            return False
        self._scheduler.remove(member)
        self.address_count -= member.address_count
        self.eni_count -= member.eni_count
        self.prefix_count -= member.prefix_count
        member.wake_ns = member.scale_down_ns = NEVER_NS
        member.gone = True
        return True

    # --- samples -------------------------------------------------------------------------------------------------------------

    @property
    def running_count(self) -> int:
        """Pods that have an address."""
        return self.ledger.arrived_count - self.ledger.gone_count - self.refused_count - self.waiting_count - self.pending_count

    def _sample(self, number: int, now_ns: int) -> None:
        """Record a sample, and schedule the next one."""
        cooling, running = count_cooling(self.members, now_ns), self.running_count
        sample = FleetSample(
            time_ns=now_ns,
            nodes=sum(self._live_counts),
            pods_running=running,
            pods_waiting=self.waiting_count,
            pods_pending=self.pending_count,
            pods_done=self.ledger.gone_count,
            pods_refused=self.refused_count,
            addresses_attached=self.address_count,
            addresses_assigned=running,
            addresses_cooling=cooling,
            addresses_warm=self.address_count - running - cooling,
            enis=self.eni_count,
            prefixes=self.prefix_count,
        )
        self._ec2_sampler.record(self._recorder, sample)
        self._scale_up(now_ns)
        if now_ns + self.scenario.sample_ns < self.scenario.duration_ns:
            self._push(now_ns + self.scenario.sample_ns, SAMPLE, number)

    def result(self) -> FleetResult:
        """Return the result, after the end of the run."""
        end_ns = self.scenario.duration_ns
        recorder = self._recorder
        for number, since_ns in (*self.ledger.pending.items(), *self._early.items()):
            recorder.for_node_ns.append(end_ns - since_ns)
            recorder.to_start_ns.append(end_ns - self.ledger.created_ns[number])
        for member in self.members:
            recorder.for_address_ns += [end_ns - since_ns for since_ns in member.waiting.values()]
            recorder.to_start_ns += [end_ns - self.ledger.created_ns[number] for number in member.waiting]
        return recorder.result(self.scenario.name, self.scenario.seed, end_ns, len(self.ledger.names))

    def _check(self) -> None:
        """Assert the invariants between two events."""
        homes = sum(home is not None for home in self.ledger.homes)
        assert homes == self.running_count + self.waiting_count, "invariant 1"  # noqa: S101  # a _check asserts
        assigned = sum(member.pod_count - len(member.waiting) for member in self.members)
        assert assigned == self.running_count == sum(member.datastore.sandbox_count for member in self.members), (  # noqa: S101
            "invariant 1: a running pod has an address"
        )
        self._scheduler._check()  # noqa: SLF001  # its own invariants
