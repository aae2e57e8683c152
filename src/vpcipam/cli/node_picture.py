"""What a picture of a node shows: its ENIs, their slots, and the state of each address. From files, or from a survey of a running node."""

import enum
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

import attrs

from vpcipam.address import Cidr, parse_address
from vpcipam.datastore.datastore import DEFAULT_COOLDOWN_NS
from vpcipam.ec2.api import NetworkInterface
from vpcipam.errors import InvalidCidr, UnknownInstanceType
from vpcipam.inspection.evidence import AddressState, CidrState, EniState, Evidence, Fact, Source
from vpcipam.inspection.survey import EniSurvey, NodeSurvey
from vpcipam.limits import instance_limits
from vpcipam.node.interfaces import attachment_of, is_primary, place_of

MOST_CELLS = 256
"""The most addresses of a CIDR with a cell each. A /80 has more; only those that were used have cells."""

_States = Mapping[int, "CellState"]
"""The states of addresses."""
_Cidrs = dict[str, tuple["CellState", _States]]
"""CIDRs, each with the states of some of its addresses, and before them that of the others."""


class CellState(enum.Enum):
    """The state of an address or a slot; the value says it in words."""

    PRIMARY = "primary IP"
    HELD = "held by a pod"
    COOLING = "cooling"
    FREE = "free"
    UNKNOWN = "unknown"
    EMPTY = "empty slot"


@attrs.frozen
class Slot:
    """A slot of an ENI: an address, a prefix, or nothing.

    Attributes:
        cidr: empty for an empty slot.
        cells: the states of its addresses, ascending; of a CIDR with more than `MOST_CELLS` addresses only those of the used ones.
        rest: the number of addresses without a cell.
        rest_state: their state.
    """

    cidr: str
    cells: tuple[CellState, ...]
    rest: int = 0
    rest_state: CellState = CellState.FREE

    @property
    def is_prefix(self) -> bool:
        """Whether it holds more than one address."""
        return len(self.cells) + self.rest > 1


@attrs.frozen
class EniRow:
    """An ENI.

    Attributes:
        kind: `primary`, `secondary`, `trunk` and so on, with remarks.
    """

    network_card: int | None
    device_number: int | None
    eni_id: str
    kind: str
    slots: tuple[Slot, ...]


@attrs.frozen
class NodePicture:
    """A node.

    Attributes:
        title: its name.
        rows: its ENIs, by network card and device number.
    """

    title: str
    rows: tuple[EniRow, ...]

    @property
    def counts(self) -> "Counter[CellState]":
        """The number of addresses or slots in each state."""
        counts: Counter[CellState] = Counter()
        for row in self.rows:
            for slot in row.slots:
                counts.update(slot.cells)
                counts[slot.rest_state] += slot.rest
        return +counts


@attrs.frozen
class Pictures:
    """The nodes in some files.

    Attributes:
        more_count: the nodes without a picture.
        elsewhere_count: the ENIs that are on no instance, such as branch ENIs and those of load balancers.
    """

    nodes: tuple[NodePicture, ...]
    more_count: int
    elsewhere_count: int


# --- a running node ------------------------------------------------------------------------------------------------------


def picture_of_survey(surveyed: NodeSurvey) -> NodePicture:
    """Make the picture of a node that was read from EC2, which doesn't know which addresses pods hold."""
    limit = surveyed.node.limits.ipv4_per_eni
    return NodePicture(surveyed.node.instance.instance_id, tuple(_row_of_survey(each, limit) for each in surveyed.enis))


def _row_of_survey(each: EniSurvey, limit: int) -> EniRow:
    kind = _with_remarks(each.kind, {"not managed": not each.managed, "excluded": each.excluded})
    slots = _slots({cidr: (CellState.UNKNOWN, {}) for cidr in _cidrs_of(each.eni)}, each.eni.private_ip, limit)
    return EniRow(each.network_card, each.device_index, each.eni.eni_id, kind, slots)


# --- files ---------------------------------------------------------------------------------------------------------------


def pictures_of(evidence: Evidence, most: int = 1_000) -> Pictures:
    """Make the pictures of nodes in files: one for each answer of ipamd, then one for each other instance whose ENIs EC2 shows.

    Args:
        evidence: the facts of the files.
        most: the most pictures that are made, since each takes memory.
    """
    known = _Known(evidence)
    by_answer: dict[tuple[str, int], list[Fact[EniState]]] = {}
    for fact in evidence.enis:
        by_answer.setdefault((fact.source.file, fact.source.line), []).append(fact)
    answers = [(known.instance_of(facts), facts) for facts in by_answer.values()]
    of_answers = {instance_id for instance_id, _ in answers}
    others = [instance_id for instance_id in known.by_instance if instance_id not in of_answers]
    nodes = [_picture_of_answer(known, *answer) for answer in answers[:most]]
    nodes += [_picture_of_instance(known, instance_id) for instance_id in others[: most - len(nodes)]]
    return Pictures(tuple(nodes), len(answers) + len(others) - len(nodes), known.elsewhere_count)


class _InUse:
    """The addresses that pods use according to some documents."""

    def __init__(self) -> None:
        self._numbers: dict[int, set[int]] = {4: set(), 6: set()}
        self._sorted: dict[int, list[int]] = {}

    def add(self, address: str) -> None:
        """Add an address. All must be added before the first question."""
        self._numbers[6 if ":" in address else 4].add(_number(address))

    def within(self, cidr: Cidr) -> list[int]:
        """Return those in a CIDR, ascending."""
        if not self._sorted:
            self._sorted = {version: sorted(numbers) for version, numbers in self._numbers.items()}
        numbers = self._sorted[cidr.version]
        return numbers[bisect_left(numbers, cidr.first) : bisect_left(numbers, cidr.first + cidr.size)]


class _Known:
    """What the documents say about ENIs, instances and addresses, beside ipamd's own answers.

    Attributes:
        interfaces: the ENIs that EC2 shows, by id.
        by_instance: those on instances, each with its bundle.
        elsewhere_count: the number of the others.
    """

    def __init__(self, evidence: Evidence) -> None:
        self.interfaces: dict[str, NetworkInterface] = {}
        self.by_instance: dict[str, list[tuple[NetworkInterface, str]]] = {}
        self.elsewhere_count = 0
        for eni, source in _interfaces(evidence):
            self._add_interface(eni, source.bundle)
        self._types = {each.value.instance_id: each.value.instance_type for each in evidence.nodes}
        self._types |= {each.value.instance_id: each.value.instance_type for each in evidence.instances}
        self._node_counts = Counter(each.source.bundle for each in evidence.nodes)
        self._type_of_bundle = {each.source.bundle: each.value.instance_type for each in evidence.nodes}
        self._slots = {each.value.instance_type: each.value.ipv4_per_eni for each in evidence.instance_types}
        self._cooldowns = {each.source.bundle: each.value.cooldown_ns for each in evidence.settings}
        self._in_use = _in_use(evidence)

    def _add_interface(self, eni: NetworkInterface, bundle: str) -> None:
        if eni.eni_id in self.interfaces:  # DescribeInstances and DescribeNetworkInterfaces both show it
            return
        self.interfaces[eni.eni_id] = eni
        if eni.attachment is None:
            self.elsewhere_count += 1
        else:
            self.by_instance.setdefault(eni.attachment.instance_id, []).append((eni, bundle))

    def instance_of(self, facts: list[Fact[EniState]]) -> str:
        """Return the instance with the ENIs of an answer of ipamd, empty if EC2 shows none of them."""
        shown = (self.interfaces.get(fact.value.eni_id) for fact in facts)
        return next((eni.attachment.instance_id for eni in shown if eni and eni.attachment), "")

    def title(self, instance_id: str, otherwise: str) -> str:
        """Name a node by its instance and its type."""
        return " · ".join(filter(None, (instance_id or otherwise, self._types.get(instance_id, ""))))

    def slot_limit(self, instance_id: str, bundle: str | None = None) -> int:
        """Return the addresses and prefixes that an ENI takes, the primary IP among them; 0 if it is unknown.

        Args:
            instance_id: the instance; empty if unknown.
            bundle: the bundle of an answer of ipamd. If that has a single node object, it is the same node.
        """
        alone = bundle is not None and not instance_id and self._node_counts[bundle] == 1
        name = self._type_of_bundle[str(bundle)] if alone else self._types.get(instance_id, "")
        if name in self._slots:
            return self._slots[name]
        try:
            return instance_limits(name).ipv4_per_eni if name else 0
        except UnknownInstanceType:
            return 0

    def cooldown_ns(self, bundle: str) -> int:
        """Return how long addresses of a node cool."""
        return self._cooldowns.get(bundle, DEFAULT_COOLDOWN_NS)

    def in_use(self, bundle: str, cidr: str) -> list[int]:
        """Return the addresses of a CIDR that pods use according to checkpoints, ipamd's pods and pod objects."""
        parsed = _parsed(cidr)
        return self._in_use[bundle].within(parsed) if parsed and bundle in self._in_use else []


def _interfaces(evidence: Evidence) -> Iterator[tuple[NetworkInterface, Source]]:
    yield from ((fact.value, fact.source) for fact in evidence.network_interfaces)
    yield from ((eni, fact.source) for fact in evidence.instances for eni in fact.value.network_interfaces)


def _in_use(evidence: Evidence) -> dict[str, _InUse]:
    found: dict[str, _InUse] = {}
    for allocation in evidence.allocations:
        found.setdefault(allocation.source.bundle, _InUse()).add(allocation.value.address)
    for node_pod in evidence.node_pods:
        found.setdefault(node_pod.source.bundle, _InUse()).add(node_pod.value.address)
    for pod in evidence.pods:
        if not pod.value.host_network and not pod.value.has_ended:
            for address in pod.value.addresses:
                found.setdefault(pod.source.bundle, _InUse()).add(address)
    return found


def _row_of_ec2(known: _Known, eni: NetworkInterface, bundle: str) -> EniRow:
    """Make the row of an ENI that only EC2 shows. Its addresses are held where another document has a pod for them, else unknown."""
    card, device = place_of(eni)
    kind = "primary" if is_primary(eni) else "secondary" if eni.interface_type == "interface" else eni.interface_type
    cidrs: _Cidrs = {cidr: (CellState.UNKNOWN, dict.fromkeys(known.in_use(bundle, cidr), CellState.HELD)) for cidr in _cidrs_of(eni)}
    return EniRow(card, device, eni.eni_id, kind, _slots(cidrs, eni.private_ip, known.slot_limit(attachment_of(eni).instance_id)))


def _picture_of_instance(known: _Known, instance_id: str) -> NodePicture:
    rows = [_row_of_ec2(known, eni, bundle) for eni, bundle in known.by_instance[instance_id]]
    return NodePicture(known.title(instance_id, instance_id), _ordered(rows))


def _picture_of_answer(known: _Known, instance_id: str, facts: list[Fact[EniState]]) -> NodePicture:
    """Make the picture of a node from an answer of its ipamd, and from what EC2 shows of the same ENIs and of its others."""
    source = facts[0].source
    times = [time for fact in facts for cidr in fact.value.cidrs for each in cidr.addresses for time in _times(each)]
    cooled_ns = max(times, default=0) - known.cooldown_ns(source.bundle)
    limit = known.slot_limit(instance_id, source.bundle)
    rows = [_row_of_state(known, fact, cooled_ns, limit) for fact in facts]
    in_answer = {fact.value.eni_id for fact in facts}
    rows += [_row_of_ec2(known, eni, bundle) for eni, bundle in known.by_instance.get(instance_id, ()) if eni.eni_id not in in_answer]
    return NodePicture(known.title(instance_id, source.bundle or source.file), _ordered(rows))


def _times(each: AddressState) -> list[int]:
    return [time for time in (each.assigned_ns, each.unassigned_ns) if time is not None]


def _row_of_state(known: _Known, fact: Fact[EniState], cooled_ns: int, limit: int) -> EniRow:
    eni, seen = fact.value, known.interfaces.get(fact.value.eni_id)
    default = CellState.UNKNOWN if eni.cut else CellState.FREE
    cidrs: _Cidrs = {
        each.cidr: (default, _states(each, known.in_use(fact.source.bundle, each.cidr), cooled_ns, cut=eni.cut)) for each in eni.cidrs
    }
    for each in _cidrs_of(seen) if seen else ():
        cidrs.setdefault(each, (CellState.UNKNOWN, {}))
    kinds = {"primary": eni.primary, "trunk": eni.trunk, "efa": eni.efa}
    kind = next((name for name, there in kinds.items() if there), "secondary" if eni.primary is not None else "")
    unseen = 0 if seen else 1  # ipamd doesn't show the primary IP, which takes a slot too
    slots = _slots(cidrs, seen.private_ip if seen else "", limit - unseen)
    remarks = {"excluded": eni.excluded, "cut off": eni.cut}
    return EniRow(eni.network_card, eni.device_number, eni.eni_id, _with_remarks(kind, remarks), slots)


def _states(cidr: CidrState, in_use: Iterable[int], cooled_ns: int, *, cut: bool) -> _States:
    """Return the states of those addresses of a CIDR that were used, or that another document says are in use."""
    others = set(in_use)
    states = {}
    for each in cidr.addresses:
        address = _number(each.address)
        if each.held:
            states[address] = CellState.HELD
        elif cut or address in others:  # in the second case the documents contradict each other
            states[address] = CellState.UNKNOWN
        elif each.unassigned_ns is not None and each.unassigned_ns > cooled_ns:
            states[address] = CellState.COOLING
        else:
            states[address] = CellState.FREE
    return dict.fromkeys(others, CellState.UNKNOWN) | states


# --- slots ---------------------------------------------------------------------------------------------------------------


def _cidrs_of(eni: NetworkInterface) -> list[str]:
    """Return the CIDRs of an ENI, without its primary IP."""
    singles = [f"{address}/{128 if ':' in address else 32}" for address in (*eni.secondary_ips, *eni.ipv6_addresses)]
    return [*singles, *eni.ipv4_prefixes, *eni.ipv6_prefixes]


def _slots(cidrs: _Cidrs, primary: str, limit: int) -> tuple[Slot, ...]:
    """Make the slots of an ENI: the primary IP, single addresses, prefixes, empty slots.

    Args:
        cidrs: its CIDRs.
        primary: its primary IP; empty if it is unknown, or has none.
        limit: the slots that it has; 0 or less if that is unknown.
    """
    filled = [Slot(f"{primary}/32", (CellState.PRIMARY,))] if primary else []
    filled += sorted((_slot(cidr, *states) for cidr, states in cidrs.items()), key=lambda slot: (slot.is_prefix, _order(slot.cidr)))
    has_ipv6 = any(":" in cidr for cidr in cidrs)  # such a node fills one slot only
    return (*filled, *[Slot("", (CellState.EMPTY,))] * (0 if has_ipv6 else limit - len(filled)))


def _slot(text: str, others: CellState, states: _States) -> Slot:
    cidr = _parsed(text)
    if cidr is None:
        return Slot(text, (CellState.UNKNOWN,))
    if cidr.size <= MOST_CELLS:
        return Slot(text, tuple(states.get(cidr.first + offset, others) for offset in range(cidr.size)))
    used = sorted(address for address in states if cidr.first <= address < cidr.first + cidr.size)
    return Slot(text, tuple(states[each] for each in used), cidr.size - len(used), others)


def _number(address: str) -> int:
    return parse_address(address, 6 if ":" in address else 4)


def _parsed(text: str) -> Cidr | None:
    try:
        return Cidr.parse(text)
    except InvalidCidr:  # EC2's answers may have been redacted
        return None


def _order(text: str) -> tuple[int, str]:
    parsed = _parsed(text)
    return (parsed.first if parsed else -1, text)


def _ordered(rows: Iterable[EniRow]) -> tuple[EniRow, ...]:
    return tuple(sorted(rows, key=lambda row: (row.network_card or 0, -1 if row.device_number is None else row.device_number, row.eni_id)))


def _with_remarks(kind: str, remarks: Mapping[str, bool | None]) -> str:
    return ", ".join(filter(None, (kind, *(remark for remark, there in remarks.items() if there))))
