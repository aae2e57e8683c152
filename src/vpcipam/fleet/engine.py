"""Run a fleet through time: a discrete-event simulation of nodes, pods and EC2.

A node ticks only when a tick can do something (`Node.calm`, `Node.next_wakeup`), at the same instants as if every node ticked every 5 s.
Order at one instant: booted nodes start, nodes look at their pools; then pods are deleted, started nodes join, pending pods get nodes, pods
arrive, kubelets try again, empty nodes go, and a sample is taken. So a pod that is due for deletion gets neither a node nor an address.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from heapq import heappush

from vpcipam._units import NS_PER_S, S_PER_HOUR
from vpcipam.action import Action
from vpcipam.ec2.api import Ec2Error
from vpcipam.errors import NodeError, PoolExhausted
from vpcipam.fleet.autoscaler import Autoscaler
from vpcipam.fleet.binder import make_binder
from vpcipam.fleet.ec2_samples import Ec2Sampler
from vpcipam.fleet.ec2_setup import make_recorder, set_up_ec2
from vpcipam.fleet.ledger import NEVER_NS, Ledger, no_garbage_collection
from vpcipam.fleet.loop import ARRIVE, DELETE, NO_PODS, Event, Member, count_cooling, delete_served, run_until
from vpcipam.fleet.measured_waits import MeasuredWaits
from vpcipam.fleet.metrics import FleetResult, FleetSample
from vpcipam.fleet.retries import Retries
from vpcipam.fleet.samples import clock
from vpcipam.fleet.scenario import Scenario
from vpcipam.fleet.trunks import TrunkController
from vpcipam.fleet.workload import draw_pods
from vpcipam.fleet.zone_scheduler import make_scheduler
from vpcipam.fleet.zone_summary import sample_zones

Observer = Callable[[Member, tuple[Action, ...]], None]
"""Called with a node and the actions of one of its ticks."""
Progress = Callable[[int, int], None]
"""Called with the simulated time so far and the duration, in nanoseconds."""

EVENTS_PER_WINDOW = 128
"""About how many events `Fleet.run` handles between two yields."""
_START_RETRY_NS = 10 * NS_PER_S
_MOST_TICKS_OF_SETUP = 100  # a node adds an ENI or more with each

# Event kinds, besides DELETE and ARRIVE of pods. At equal times the lower one comes first.
START, WAKE = range(DELETE)
READY, PLACE = range(DELETE + 1, ARRIVE)
RETRY, SCALE_DOWN, SCALE_UP, SAMPLE, END = range(ARRIVE + 1, ARRIVE + 6)


def simulate(
    scenario: Scenario | str | os.PathLike[str],
    *,
    progress: Progress | None = None,
    observer: Observer | None = None,
    tickless: bool = True,
) -> FleetResult:
    """Run a scenario.

    Args:
        scenario: what to run, or the path of its TOML file.
        progress: called from time to time.
        observer: called with the actions of each tick that has any.
        tickless: tick a node only when a tick can do something; False ticks every 5 s, with the same result.

    Raises:
        ScenarioError: the file can't be read, or is no scenario.

    Complexity: O(1) for a pod that finds an address, amortised; O(ENIs) for each tick of a node.
    """
    if not isinstance(scenario, Scenario):
        scenario = Scenario.load(scenario)
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
        pods, idle_workloads = draw_pods(scenario.workload, scenario.seed, scenario.duration_ns)
        self.ledger = Ledger(pods, has_zones=bool(scenario.zones))
        self.refused_count = self.waiting_count = 0
        self.address_count = self.eni_count = self.prefix_count = 0
        self._observer = observer
        self._tickless = tickless
        self._scheduler = make_scheduler(scenario, self.ledger)
        self._retries: dict[int, Retries] = {}  # by node, once a pod has waited there
        self._recorder = make_recorder(scenario, self.subnet_ids)
        for name in idle_workloads:
            text = f"workload {name} makes no pods before the end of the run at {clock(scenario.duration_ns)}"
            self._recorder.event(0, "fleet", text)
        self._autoscaler = Autoscaler(
            scenario, self.ec2, self.subnet_ids, recorder=self._recorder, scheduler=self._scheduler, wake=self._wake_autoscaler
        )
        self.members = self._autoscaler.members
        self._binder = make_binder(self.ledger, self._scheduler, self._autoscaler.by_name)
        self.bind, self.choose_node, self.leave_zone = self._binder.bind, self._binder.choose_node, self._binder.leave_zone  # for the loop
        self._waits = MeasuredWaits(self.ledger, self._recorder, scenario.warm_up_ns)
        self._sets_up = True
        self._scale_up_ns = -1  # when nodes are launched for pods that arrived together
        self._place_ns = -1  # when pending pods get the places of deleted ones
        self._trunks = TrunkController(self.ec2, self._recorder, scenario.seed)
        self._events: list[Event] = [(NEVER_NS, END, 0)]  # a heap, never empty
        self._handlers = {
            START: self._start,
            WAKE: self._wake,
            DELETE: self._delete_postponed,
            READY: self._ready,
            PLACE: self._place_freed,
            RETRY: self._retry,
            SCALE_DOWN: self._scale_down,
            SCALE_UP: self._scale_up,
            SAMPLE: self._sample,
        }
        self._set_up_nodes()
        self._ec2_sampler = Ec2Sampler(self.ec2, self.subnet_ids, scenario, self._recorder)

    def _set_up_nodes(self) -> None:
        """Start the initial nodes and fill their pools, instantly and without counting the calls."""
        for number, group in enumerate(self.scenario.groups):
            for _ in range(group.count):
                member = self._autoscaler.launch(number, 0)
                if member is not None:
                    self._start(member.number, 0)
                    if member.node.asks_for_trunk(0):
                        self._after_tick(member, member.node.reconcile(0), 0)
        self._serve_standing_pods()
        self._sets_up = False
        self.ec2.set_conditions(self.scenario.ec2.conditions(self.scenario.seed))

    def _serve_standing_pods(self) -> None:
        """Give nodes and addresses to the pods that are there from the start, as far as possible."""
        run_until(1, self._events, self.ledger, self._scheduler, self)
        for member in self.members:
            for _ in range(_MOST_TICKS_OF_SETUP):
                if not member.waiting:
                    break
                actions = member.node.tick(0)
                if not actions:
                    break
                self._after_tick(member, actions, 0)
                self._try_all(member, 0, [*member.waiting.items()])
        for number in self.ledger.pending:
            self._explain_pending(number, 0)
        if not self.scenario.warm_up_ns:
            waiting = (number for member in self.members for number in member.waiting)
            self._waits.include((*waiting, *self.ledger.pending, *self._binder.early))

    # --- the loop ------------------------------------------------------------------------------------------------------------

    def run(self) -> Iterator[int]:
        """Run up to the end, not including events due exactly then. Yields the simulated time after each window of events."""
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
        if number in self._binder.rejected:
            self._binder.rejected.remove(number)
            return
        self.refused_count += 1
        if member is None:
            self._waits.drop(number, self._recorder.for_node)
            self._binder.forget(number)
            return
        self._waits.drop(number, self._recorder.for_address)
        self._stop_waiting(member, number)
        self.leave_zone(number, member)
        self.ledger.homes[number] = None
        self._scheduler.move(member, member.pod_count - 1)
        self.after_deletion(member, now_ns)

    def _delete_postponed(self, number: int, now_ns: int) -> None:
        """Delete a pod that had to wait, at the end of its run."""
        self.ledger.skipped_count -= 1
        self.leave_zone(number, self.ledger.homes[number])
        delete_served(number, now_ns, self.ledger, self._scheduler, self)

    def after_deletion(self, member: Member, now_ns: int) -> None:
        """Plan to give a deleted pod's place to a pending pod, and the next try of waiting pods, which may get its address later."""
        if self.ledger.pending and self._place_ns != now_ns:
            self._place_ns = now_ns
            self._push(now_ns, PLACE, 0)
        self._plan_retry(member, now_ns)
        if not member.pod_count:
            self._autoscaler.plan_scale_down(member, now_ns)

    # --- pods that wait for a node ---------------------------------------------------------------------------------------------

    def wait_for_node(self, number: int, name: str | None, now_ns: int) -> None:
        """Queue a pod until a node has room, or until the node `name` is ready. Reject it ("OutOfpods") if `name` is missing or full."""
        self.ledger.postpone(number)
        rejection = self._binder.wait(number, name, now_ns)
        if rejection is not None:
            self._recorder.event(now_ns, str(name), rejection)
            self.refused_count += 1
            self._waits.drop(number, self._recorder.for_node)
        elif name is None:
            if not self._sets_up:  # else it may get a node before the run begins
                self._explain_pending(number, now_ns)
            self._scale_up_for_new_pod(now_ns)

    def _explain_pending(self, number: int, now_ns: int) -> None:
        """Record why a pod waits for a node although some have room."""
        why = self._binder.why_pending(number)
        if why is not None:
            self._recorder.event(now_ns, "fleet", why)

    @property
    def pending_count(self) -> int:
        """Pods that wait for a node."""
        return len(self.ledger.pending) + len(self._binder.early)

    def _place_early(self, member: Member, now_ns: int) -> None:
        """Bind the pods that waited for this node to be ready."""
        for number, since_ns in self._binder.take_early(member.name):
            if self.bind(member.name) is None:
                self.wait_for_node(number, member.name, now_ns)
            else:
                self._place(member, number, since_ns, now_ns)

    def _place_pending(self, now_ns: int) -> None:
        """Bind pending pods while nodes have room, the oldest first."""
        while (taken := self._binder.take_pending()) is not None:
            self._place(*taken, now_ns)

    def _place_freed(self, number: int, now_ns: int) -> None:
        """Bind pending pods to the places of the pods that were deleted at this instant."""
        del number
        self._place_pending(now_ns)

    def _place(self, member: Member, number: int, since_ns: int, now_ns: int) -> None:
        """Put a pending pod on this node, and try to give the pod an address."""
        self.ledger.homes[number] = member
        self._waits.end(number, self._recorder.for_node, now_ns - since_ns)
        if not self._try(member, number, now_ns):
            self.wait_for_address(member, number, now_ns)

    # --- pods that wait for an address -------------------------------------------------------------------------------------------

    def _try(self, member: Member, number: int, now_ns: int) -> bool:
        """Try to give an address to a waiting pod. Return whether it got one."""
        try:
            member.pool.assign(self.ledger.keys[number], now_ns)
        except PoolExhausted:
            return False
        self._waits.end(number, self._recorder.to_start, now_ns - self.ledger.created_ns[number])
        end_ns = self.ledger.end_of_run(number, now_ns)
        if end_ns is not None:
            self._push(end_ns, DELETE, number)
        self.wake_at_next_tick(member, now_ns)
        return True

    def wait_for_address(self, member: Member, number: int, now_ns: int) -> None:
        """Let a pod wait for an address on its node."""
        self.ledger.postpone(number)
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
        self._try_all(member, now_ns, self._retries[number].due(now_ns))
        self._plan_retry(member, now_ns)

    def _try_all(self, member: Member, now_ns: int, pods: Iterable[tuple[int, int]]) -> None:
        """Try some waiting pods of a node, each with the time since which it waits."""
        for pod, since_ns in pods:
            if not self._try(member, pod, now_ns):
                return  # the others would fail too
            self._stop_waiting(member, pod)
            self._waits.end(pod, self._recorder.for_address, now_ns - since_ns)

    # --- ticks of nodes ------------------------------------------------------------------------------------------------------

    def wake_at_next_tick(self, member: Member, now_ns: int) -> None:
        """Wake a node at its next tick."""
        tick_ns = member.node.next_tick(now_ns)
        if tick_ns < member.wake_ns:
            member.wake_ns = tick_ns
            heappush(self._events, (tick_ns, WAKE, member.number))

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
        node = member.node
        if member.revision != member.datastore.revision:
            self._count(member, now_ns)
        reconciles = node.in_doubt or node.asks_for_trunk(now_ns)
        wake_ns = node.next_wakeup(now_ns, include_reconcile=reconciles, include_cleanup=True)
        tick_ns = node.next_tick(now_ns)
        if wake_ns is None or wake_ns > tick_ns:  # else it wakes before any pod can wake it
            calm = node.calm(now_ns)
            member.low, member.high = calm.low, calm.high
            wake_ns = wake_ns if self._tickless else tick_ns
        if wake_ns is not None:
            member.wake_ns = wake_ns
            heappush(self._events, (wake_ns, WAKE, member.number))
        if member.waiting:
            self._trunks.explain_waiting(member, now_ns)
            self._plan_retry(member, now_ns)

    def _count(self, member: Member, now_ns: int) -> None:
        """Count what a node has attached, and update the fleet's counts."""
        address_count, eni_count, prefix_count = member.datastore.sizes()
        self.address_count += address_count - member.address_count
        self.eni_count += eni_count - member.eni_count
        self.prefix_count += prefix_count - member.prefix_count
        member.address_count, member.eni_count, member.prefix_count = address_count, eni_count, prefix_count
        member.revision = member.datastore.revision
        self._recorder.addresses(now_ns, self.address_count)

    # --- nodes that come and go ------------------------------------------------------------------------------------------------

    def _boot(self, member: Member, now_ns: int) -> None:
        """Start a launched node's ipamd when the instance has booted; at once during the set-up."""
        self._push(now_ns if self._sets_up else now_ns + max(member.group.boot_ns, 1), START, member.number)

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
        self._autoscaler.joined(member)
        member.ready = True
        self._scheduler.add(member)
        if self._binder.early:
            self._place_early(member, now_ns)
        self._place_pending(now_ns)
        self._scale_up(0, now_ns)
        if not member.pod_count:
            self._autoscaler.plan_scale_down(member, now_ns)

    def _scale_up(self, number: int, now_ns: int) -> None:
        """Launch nodes for pending pods."""
        del number
        for member in self._autoscaler.scale_up(self._binder.demand(self._autoscaler.booting_rooms), now_ns):
            self._boot(member, now_ns)

    def _scale_up_for_new_pod(self, now_ns: int) -> None:
        """Launch nodes for a pod that begins to wait: at once, or when all pods of this instant have arrived."""
        if self._binder.scales_at_once:
            self._scale_up(0, now_ns)
        elif self._scale_up_ns != now_ns:
            self._scale_up_ns = now_ns
            self._push(now_ns, SCALE_UP, 0)

    def _scale_down(self, number: int, now_ns: int) -> None:
        """Terminate a node if it is empty."""
        member = self._autoscaler.scale_down(number, now_ns)
        if member is not None:
            self.address_count -= member.address_count
            self.eni_count -= member.eni_count
            self.prefix_count -= member.prefix_count

    def _wake_autoscaler(self, time_ns: int, number: int | None) -> None:
        self._push(time_ns, *((SCALE_UP, 0) if number is None else (SCALE_DOWN, number)))

    # --- samples -------------------------------------------------------------------------------------------------------------

    @property
    def running_count(self) -> int:
        """Pods that have an address."""
        return self.ledger.arrived_count - self.ledger.gone_count - self.refused_count - self.waiting_count - self.pending_count

    def _sample(self, number: int, now_ns: int) -> None:
        """Record a sample, and schedule the next one. The warm-up ends with a sample of its own."""
        scenario = self.scenario
        if now_ns == scenario.warm_up_ns:
            self._recorder.measure_from(now_ns, self.address_count)
        cooling, running = count_cooling(self.members, now_ns), self.running_count
        sample = FleetSample(
            time_ns=now_ns,
            nodes=self._autoscaler.live_count,
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
        self._ec2_sampler.record(sample)
        self._recorder.zones(sample_zones(self.members, scenario.zones))
        next_ns = now_ns - now_ns % scenario.sample_ns + scenario.sample_ns
        if now_ns < scenario.warm_up_ns < next_ns:
            next_ns = scenario.warm_up_ns
        if next_ns < scenario.duration_ns:
            self._push(next_ns, SAMPLE, number)

    def result(self) -> FleetResult:
        """Return the result, after the end of the run."""
        scenario = self.scenario
        for_address = {number: since_ns for member in self.members for number, since_ns in member.waiting.items()}
        self._waits.stop({**self.ledger.pending, **self._binder.early}, for_address, scenario.duration_ns)
        return self._recorder.result(
            scenario.name, scenario.seed, scenario.duration_ns, pod_count=len(self.ledger.names), measured_count=self._waits.count
        )

    def _check(self) -> None:
        """Assert the invariants between two events."""
        homes = sum(home is not None for home in self.ledger.homes)
        assert homes == self.running_count + self.waiting_count, "invariant 1"  # noqa: S101  # a _check asserts
        assigned = sum(member.pod_count - len(member.waiting) for member in self.members)
        assert assigned == self.running_count == sum(member.datastore.sandbox_count for member in self.members), (  # noqa: S101
            "invariant 1: a running pod has an address"
        )
        self._scheduler._check()  # noqa: SLF001  # its own invariants
