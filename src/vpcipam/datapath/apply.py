"""Carry out the steps of a plan in the kernel. Needs pyroute2, and CAP_NET_ADMIN and CAP_SYS_ADMIN.

    from vpcipam.datapath.apply import apply

    apply(pod_plan(key, pod, addresses, settings), pod="/run/netns/blue")

Steps are carried out in their order. If one fails, those before it are undone in reverse.
"""

import contextlib
import errno
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import attrs

from vpcipam.datapath import netlink, programs
from vpcipam.datapath.namespaces import enter, in_thread, opened
from vpcipam.datapath.values import Address, Link, Mode, OfNetlink, Readable, Step, Value, Veth, Vlan, XtablesRule, identity, matches
from vpcipam.errors import DatapathError, InvalidArgument

_DAD_LOOKS, _DAD_LOOK_S = 200, 0.05
_HINTS = {
    errno.EPERM: "run as root, or with CAP_NET_ADMIN and CAP_SYS_ADMIN",
    errno.EACCES: "run as root, or with CAP_NET_ADMIN and CAP_SYS_ADMIN",
    errno.EEXIST: "something else has made it: delete that first",
    errno.ENODEV: "the interface is not there: is the ENI attached?",
    errno.EOPNOTSUPP: "the kernel lacks it: load the module, such as 8021q for VLANs or esp4 for encryption",
    errno.ETIMEDOUT: "IPv6 did not settle: is the interface up?",
    errno.EADDRINUSE: "another host has the address",
}


def apply(
    steps: Iterable[Step],
    *,
    host: str | None = None,
    pod: str | None = None,
    undo: bool = True,
    sleep: Callable[[float], object] = time.sleep,
) -> tuple[DatapathError, ...]:
    """Carry out steps, and return the errors of those that are not fatal.

    A deletion of a link is not undone, since its other end is gone.

    Args:
        steps: the steps, in order.
        host: the path of the host's network namespace; None is that of the calling thread.
        pod: the path of the pod's network namespace; None if no step is there.
        undo: whether a failure undoes what was done. A teardown is better left half done, and repeated.
        sleep: waits for so many seconds.

    Raises:
        DatapathError: a step failed. Its notes list what could not be undone.
        InvalidArgument: a step is in the pod's namespace, and no path of it is given. Nothing was done.
        UnknownNamespace: a path is not that of a namespace. Nothing was done.
    """
    listed = tuple(steps)
    if pod is None and any(step.namespace == "pod" for step in listed):
        raise InvalidArgument("a step is in the pod's namespace: give its path, pod='/run/netns/blue'")
    paths = {"host": host} if pod is None else {"host": host, "pod": pod}

    def work() -> tuple[DatapathError, ...]:
        with contextlib.ExitStack() as stack:
            return _Kernel(stack, paths, sleep).apply_all(listed, undo=undo)

    return in_thread(work)


class _Kernel:
    """The namespaces of a host and a pod, with a netlink socket in each. The stack closes them."""

    def __init__(self, stack: contextlib.ExitStack, paths: dict[str, str | None], sleep: Callable[[float], object]) -> None:
        self._sleep = sleep
        self._namespaces = stack.enter_context(opened(paths))
        self._sockets: dict[str, netlink.Socket] = {}
        for name, descriptor in self._namespaces.items():
            enter(descriptor)
            self._sockets[name] = stack.enter_context(netlink.Socket())

    def _socket(self, namespace: str) -> netlink.Socket:
        """Enter a namespace, and return the socket there."""
        enter(self._namespaces[namespace])
        return self._sockets[namespace]

    # --- all steps --------------------------------------------------------------------------------------------------------

    def apply_all(self, steps: Sequence[Step], *, undo: bool) -> tuple[DatapathError, ...]:
        ignored: list[DatapathError] = []
        undoing: list[Step] = []
        for number, step in enumerate(steps, 1):
            try:
                self._apply(step, undoing)
            except Exception as error:
                failure = _failure(f"step {number} of {len(steps)}", step, error)
                if step.fatal:
                    if undo:
                        self._undo(undoing, failure)
                    raise failure from error
                ignored.append(failure)
        return tuple(ignored)

    def _undo(self, steps: list[Step], failure: DatapathError) -> None:
        for step in reversed(steps):
            try:
                self._apply(step, [])
            except Exception as error:  # noqa: BLE001 - the others can still be undone
                failure.add_note(str(_failure("not undone", step, error)))

    # --- one step ---------------------------------------------------------------------------------------------------------

    def _apply(self, step: Step, undoing: list[Step]) -> None:
        """Carry out a step. Add what undoes each of its changes to `undoing`, so that a step that fails half done is undone too."""
        with _tolerating(step):
            if isinstance(step.value, Address) and step.mode is Mode.WAIT:
                self._wait(step.namespace, step.value)
            elif step.deletes:
                self._delete(step, undoing)
            else:
                self._create(step, undoing)

    def _create(self, step: Step, undoing: list[Step]) -> None:
        value, where = step.value, step.namespace
        if isinstance(value, Veth | Vlan):
            self._make(where, value)
            undoing.append(_undoing(Link(name=value.peer if isinstance(value, Veth) else value.name), Mode.ABSENT, step))
            return
        if isinstance(value, OfNetlink) and not isinstance(value, Link):
            # Most often there is nothing in its place, which is quicker to try than to read.
            with contextlib.suppress(FileExistsError) if step.mode is Mode.REPLACE else contextlib.nullcontext():
                self._make(where, value)
                undoing.append(_undoing(value, Mode.ABSENT, step))
                return
        before = [each for each in self._read(where, value) if identity(each) == identity(value)]
        if before and step.mode is not Mode.REPLACE:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        if any(matches(value, each) if isinstance(value, Link) else value == each for each in before):
            return
        if before and isinstance(value, Link):
            value = _differing(value, before[0])
        self._make(where, value, replace=True)
        undoing += [_undoing(each, Mode.REPLACE, step) for each in before] or [_undoing(value, Mode.ABSENT, step)]

    def _delete(self, step: Step, undoing: list[Step]) -> None:
        value = Link(name=step.value.name) if isinstance(step.value, Veth | Vlan) else step.value
        found = [each for each in self._read(step.namespace, value) if matches(value, each)]
        if not found:
            raise netlink.missing(type(value))
        for each in found if step.mode is Mode.ABSENT else found[:1]:
            with _tolerating(step):  # somebody else may have deleted it by now
                self._remove(step.namespace, each)
                if not isinstance(each, Link):
                    undoing.append(_undoing(each, Mode.ADD, step))
        if isinstance(value, XtablesRule) and step.mode is Mode.ABSENT:
            # iptables can have a rule more than once.
            with contextlib.suppress(FileNotFoundError):
                self._delete(step, undoing)

    def _wait(self, namespace: str, address: Address) -> None:
        for _ in range(_DAD_LOOKS):
            if netlink.settled(self._socket(namespace), address):
                return
            self._sleep(_DAD_LOOK_S)
        raise TimeoutError(errno.ETIMEDOUT, f"{address.address} is still tentative after 10 s")

    # --- one value --------------------------------------------------------------------------------------------------------

    def _make(self, namespace: str, value: Value, *, replace: bool = False) -> None:
        socket = self._socket(namespace)
        if isinstance(value, OfNetlink | Veth | Vlan):
            netlink.create(socket, value, replace=replace, host_fd=self._namespaces["host"])
        else:
            programs.create(value)

    def _read(self, namespace: str, value: Readable) -> Sequence[Readable]:
        """Read what can be in the place of a value."""
        socket = self._socket(namespace)
        return netlink.read(socket, type(value)) if isinstance(value, OfNetlink) else programs.matching(value)

    def _remove(self, namespace: str, value: Readable) -> None:
        socket = self._socket(namespace)
        if isinstance(value, OfNetlink):
            netlink.delete(socket, value)
        else:
            programs.delete(value)


@contextlib.contextmanager
def _tolerating(step: Step) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in step.tolerated:
            raise


def _differing(link: Link, before: Readable) -> Link:
    """Leave out what is so already: the driver of an ENI refuses to set its MAC, even to the same one."""
    same: dict[str, Any] = {name: None for name in ("mac", "mtu", "up") if getattr(link, name) == getattr(before, name)}
    return attrs.evolve(link, **same)


def _undoing(value: Readable, mode: Mode, step: Step) -> Step:
    return Step(value, mode, "a later step failed", namespace=step.namespace)


def _failure(what: str, step: Step, error: Exception) -> DatapathError:
    number = getattr(error, "errno", None)
    why = f"{error.strerror} ({errno.errorcode.get(number or 0, number)})" if isinstance(error, OSError) else str(error)
    shown = {field.name: getattr(step.value, field.name) for field in attrs.fields(type(step.value)) if field.repr}  # no keys
    given = " ".join(f"{name}={value}" for name, value in shown.items() if value not in {None, ()})
    kind = type(step.value).__name__.lower()
    hint = f"; {_HINTS[number]}" if number in _HINTS else ""
    failure = DatapathError(f"{what}, {step.mode.value} {kind} {given} in the {step.namespace}'s namespace: {why}{hint}")
    failure.errno = number
    return failure
