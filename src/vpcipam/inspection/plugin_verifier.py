"""Read plugin.log, and compare it with ipamd.log.

plugin.log has the container runtime's requests and ipamd's answers. Where ipamd.log tells of the same time, it must have each of these
answers too.
"""

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import attrs

from vpcipam._units import NS_PER_S
from vpcipam.contracts import IpAddress, Promise
from vpcipam.inspection.answered_addresses import AnsweredAddresses, remember
from vpcipam.inspection.log.events import PluginAnswerLine, PluginRequestLine, parse_address, read_event
from vpcipam.inspection.log.line import LogLine
from vpcipam.inspection.log.reader import LogReader
from vpcipam.inspection.log.wording import Wording, classified, match_wording
from vpcipam.inspection.sandbox_log import LoggedAssign, SandboxLog
from vpcipam.inspection.verification import Findings, LostDelete, Place, PluginCalls, PluginFailure, Step

_MOST_LISTED = 100
_STEP_BACK_NS = 5 * NS_PER_S
_ANSWER_NS = 10 * NS_PER_S  # a call that ipamd has not answered for so long did not reach it
_LONGEST = 200

_parse_address = functools.lru_cache(maxsize=4_096)(parse_address)


@attrs.define
class _Delete:
    """A sandbox is to be deleted, and ipamd has not answered yet."""

    asked: Step
    has_failed: bool = False


class PluginVerifier:
    """Takes the lines of plugin.log in, once ipamd's log was read.

    Attributes:
        findings: the violations and the timeline.
        wordings: how often each wording occurs.
        versions: those of the plugin that the log names.
        answer_count: how many sandboxes got addresses.
        unknown: the first answers that ipamd.log lacks, though it tells of their time.
        unreadable_count: how many addresses can't be read.
        not_covered: the first answer of a time of which ipamd.log does not tell.
        not_covered_count: how many there are.
    """

    def __init__(self, sandboxes: SandboxLog, *, is_alone: bool, cooldown_ns: int) -> None:
        """Start before the first line.

        Args:
            sandboxes: what ipamd's log tells.
            is_alone: there is no log of ipamd.
            cooldown_ns: how long an address must rest.
        """
        self.findings = Findings()
        self.wordings: dict[Wording, int] = {}
        self.versions: dict[str, None] = {}
        self.answer_count = 0
        self.compared_count = 0
        self.unknown: list[tuple[str, Step]] = []
        self.unreadable_count = 0
        self.not_covered: Step | None = None
        self.not_covered_count = 0
        self._sandboxes = sandboxes
        self._is_alone = is_alone
        self._alone = AnsweredAddresses(self.findings, cooldown_ns=cooldown_ns)
        self._place = Place("", 0)
        self._now_ns = 0
        self._slack_ns = 0
        self._add_count = 0
        self._delete_count = 0
        self._unknown_count = 0
        self._addresses_by_card: dict[int, int] = {}
        self._failures: dict[Wording, PluginFailure] = {}
        self._adds: dict[str, Step] = {}
        self._deletes: dict[str, _Delete] = {}

    def read(self, reader: LogReader, source: str) -> None:
        """Take all lines of a log in."""
        for number, line in reader:
            self._place = Place(source, number)
            self._tell(line)
            found = match_wording(line.message)
            if found is None:
                continue
            wording, match = found
            self.wordings[wording] = self.wordings.get(wording, 0) + 1
            handler = self._HANDLERS.get(wording.kind)
            if handler is not None:
                handler(self, wording, match)

    def _tell(self, line: LogLine) -> None:
        """Move the time to that of a line. Several plugins write at once, so small steps back are usual."""
        when_ns = line.when_ns
        if when_ns is None:
            return
        self._slack_ns = line.resolution_ns - 1
        if when_ns < self._now_ns - _STEP_BACK_NS:
            self._adds.clear()
            self._alone.forget()
        self._now_ns = when_ns

    def _step(self, text: str) -> Step:
        return Step(self._place, self._now_ns, text[:300])

    # Each method gets the wording of a line and the match of its fields.

    def _on_start(self, _wording: Wording, match: re.Match[str]) -> None:
        if len(self.versions) < _MOST_LISTED:
            self.versions[match["version"][:80]] = None

    def _on_request(self, wording: Wording, match: re.Match[str]) -> None:
        event = read_event(classified(wording, match))
        assert isinstance(event, PluginRequestLine)  # noqa: S101 - as the table of methods says
        if event.is_add:
            self._add_count += 1
            remember(self._adds, event.container, self._step(f"{event.container} is to be set up"))
            return
        self._delete_count += 1
        if event.container not in self._deletes:
            remember(self._deletes, event.container, _Delete(self._step(f"{event.container} is to be deleted")))

    def _on_answer(self, wording: Wording, match: re.Match[str]) -> None:
        event = read_event(classified(wording, match))
        assert isinstance(event, PluginAnswerLine)  # noqa: S101 - as the table of methods says
        parsed = [_parse_address(text) for text in event.addresses]
        addresses = [address for address in parsed if address is not None]
        self.unreadable_count += len(parsed) - len(addresses)
        listed = " and ".join(map(str, addresses))
        if event.is_add:
            added = self._adds.pop(event.container, None)
            if addresses and not event.is_branch:
                self.answer_count += 1
                self._given(event.container, addresses, added, self._step(f"{event.container} got {listed}"))
        elif event.is_by_ipamd:
            delete = self._deletes.pop(event.container, None)
            if addresses and delete is not None and not event.is_branch:
                self._taken_back(event.container, addresses, delete.asked, self._step(f"{event.container} gave {listed} back"))

    def _on_unknown(self, wording: Wording, match: re.Match[str]) -> None:
        """Ipamd has no such sandbox. The other lines of this kind follow a call that failed."""
        if wording.template == "Container {container} not found":
            self._deletes.pop(match["container"], None)

    def _on_failure(self, wording: Wording, match: re.Match[str]) -> None:
        values = match.groupdict("")
        before = self._failures.get(wording)
        count = 1 if before is None else before.count + 1
        error = " ".join(values.get("err", "").split())[:_LONGEST]
        self._failures[wording] = PluginFailure(wording.template, wording.releases, count, error)
        self.findings.note_moment(self._place, self._now_ns, wording.template.partition(" for pod")[0].partition("{")[0].strip())
        container = values.get("container", "")
        if container in self._deletes:
            self._deletes[container].has_failed = True
        if wording.template.startswith("Failed SetupPodNetwork"):
            self._alone.give_up(container, self._step(f"{container} can't be set up, so the plugin gives its address back"))

    def _given(self, container: str, addresses: Sequence[IpAddress], added: Step | None, step: Step) -> None:
        if self._is_alone:
            for address in addresses:
                self._alone.give(container, address, step, slack_ns=self._slack_ns)
            return
        assigns = self._sandboxes.assigns_of(container)
        if assigns:
            self.compared_count += 1
            self._compare(container, addresses, assigns, added or step, step)
        elif added is not None and self._sandboxes.covers(added.now_ns, step.now_ns):
            self._unknown_count += 1
            if len(self.unknown) < _MOST_LISTED:
                self.unknown.append((container, step))
        else:
            self.not_covered = self.not_covered or step
            self.not_covered_count += 1

    def _compare(self, container: str, addresses: Sequence[IpAddress], assigns: Sequence[LoggedAssign], added: Step, step: Step) -> None:
        """Compare an answer with what ipamd.log assigns to the sandbox."""
        known = {assign.address for assign in assigns}
        for address in addresses:
            card = self._sandboxes.cards.get(address)
            if address not in known:
                message = f"by plugin.log {container} got {address}, but by ipamd.log {self._with_card(assigns[-1].address)}"
                self.findings.add(Promise.DURABILITY, message, (_assign_step(container, assigns[-1]), step))
            elif card is not None:
                self._addresses_by_card[card] = self._addresses_by_card.get(card, 0) + 1
        if known.isdisjoint(addresses):
            return
        for assign in assigns:
            if assign.address not in addresses and added.now_ns <= assign.now_ns <= step.now_ns:
                message = f"by ipamd.log {container} got {self._with_card(assign.address)} too, but plugin.log lacks it"
                self.findings.add(Promise.DURABILITY, message, (_assign_step(container, assign), step))

    def _with_card(self, address: IpAddress) -> str:
        card = self._sandboxes.cards.get(address)
        return f"{address}" if card is None else f"{address} of network card {card}"

    def _taken_back(self, container: str, addresses: Sequence[IpAddress], asked: Step, step: Step) -> None:
        if self._is_alone:
            for address in addresses:
                self._alone.take_back(container, address, asked, step)
            return
        assigns = self._sandboxes.assigns_of(container)
        if not assigns or not self._sandboxes.covers(asked.now_ns, step.now_ns):
            return
        steps = (_assign_step(container, assigns[-1]), asked, step)
        known = {assign.address for assign in assigns}
        for address in addresses:
            if address not in known:
                message = f"by plugin.log {container} gave {address} back, but by ipamd.log it got {self._with_card(assigns[-1].address)}"
                self.findings.add(Promise.DURABILITY, message, steps)
        if not self._sandboxes.is_released(container, asked.now_ns):
            message = f"by plugin.log {container} gave {addresses[0]} back, but ipamd.log has no unassign of it"
            self.findings.add(Promise.DURABILITY, message, steps)

    def finish(self, holder_of: Callable[[IpAddress], object]) -> PluginCalls:
        """End with the last line. `holder_of` returns the key of the sandbox that holds an address at the end of ipamd's log."""
        if self.compared_count:
            for container, step in self.unknown:
                message = f"by plugin.log {step.text}, but ipamd.log has no assign to {container}"
                self.findings.add(Promise.DURABILITY, message, (step,))
            self.findings.violation_count += self._unknown_count - len(self.unknown)
        lost = [
            LostDelete(delete.asked.place, delete.asked.now_ns, container, str(assign.address))
            for container, delete in self._deletes.items()
            if self._is_over(delete)
            for assign in self._sandboxes.assigns_of(container)
            if container in str(holder_of(assign.address)).split("/")
        ]
        return PluginCalls(
            add_count=self._add_count,
            delete_count=self._delete_count,
            answer_count=self.answer_count,
            compared_count=self.compared_count,
            addresses_by_card=dict(sorted(self._addresses_by_card.items())),
            failures=tuple(self._failures.values()),
            lost_deletes=tuple(lost[:_MOST_LISTED]),
            lost_delete_count=len(lost),
        )

    def _is_over(self, delete: _Delete) -> bool:
        """Whether a call that was not answered has failed, so that ipamd's log has to show it if it reached ipamd."""
        asked_ns = delete.asked.now_ns
        return self._sandboxes.covers(asked_ns, asked_ns + (0 if delete.has_failed else _ANSWER_NS))

    # The method for each kind of line.
    _HANDLERS: ClassVar[Mapping[str, Callable[..., None]]] = {
        "plugin-start": _on_start,
        **dict.fromkeys(("plugin-add", "plugin-del"), _on_request),
        **dict.fromkeys(("plugin-add-answered", "plugin-del-answered"), _on_answer),
        "plugin-del-unknown": _on_unknown,
        **dict.fromkeys(("plugin-add-failed", "plugin-del-failed"), _on_failure),
    }


def _assign_step(container: str, assign: LoggedAssign) -> Step:
    return Step(assign.place, assign.now_ns, f"{container} got {assign.address}")
