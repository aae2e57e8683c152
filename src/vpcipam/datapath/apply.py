"""Carry out the steps of a plan in the kernel. Needs pyroute2, and CAP_NET_ADMIN and CAP_SYS_ADMIN.

    from vpcipam.datapath.apply import apply

    apply(pod_plan(key, pod, addresses, settings), pod="/run/netns/blue")

Steps are carried out in their order. If one fails, those before it are undone in reverse.
"""

import contextlib
import errno
import os
import random
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Self, get_args

import attrs

from vpcipam.datapath import netlink, programs
from vpcipam.datapath.namespaces import Namespaces, in_thread
from vpcipam.datapath.values import (
    DELETIONS,
    Address,
    Link,
    Mode,
    Namespace,
    Neighbour,
    Readable,
    Route,
    Rule,
    Step,
    Sysctl,
    Value,
    Veth,
    Vlan,
    XtablesRule,
    identity,
    matches,
)
from vpcipam.errors import DatapathError

_FIRST_WAIT_S, _LONGEST_WAIT_S, _JITTER = 0.5, 5.0, 0.15
_DAD_LOOKS, _DAD_LOOK_S = 200, 0.05
_CHANGED_IN_PLACE = (Link, Sysctl, *get_args(programs.Filtered))
"""What is read before it is changed, because to create it never fails or changes what is there."""
_SYSCTLS = Path("/proc/sys")
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
        UnknownNamespace: a path is not that of a namespace. Nothing was done.
    """
    listed = tuple(steps)
    paths = {"host": host} if pod is None and all(step.namespace == "host" for step in listed) else {"host": host, "pod": pod}

    def work() -> tuple[DatapathError, ...]:
        with _Kernel(paths, sleep) as kernel:
            return kernel.apply_all(listed, undo=undo)

    return in_thread(work)


class _Kernel:
    """The namespaces of a host and a pod, with a netlink socket in each."""

    def __init__(self, paths: dict[str, str | None], sleep: Callable[[float], object]) -> None:
        self.namespaces = Namespaces(paths)
        self.sleep = sleep
        self._sockets: dict[str, netlink.Socket] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for each in self._sockets.values():
            each.close()
        self.namespaces.close()

    def _socket(self, namespace: str) -> netlink.Socket:
        """Enter a namespace, and return the socket there."""
        self.namespaces.enter(namespace)
        if namespace not in self._sockets:
            self._sockets[namespace] = netlink.Socket()
        return self._sockets[namespace]

    # --- all steps --------------------------------------------------------------------------------------------------------

    def apply_all(self, steps: Sequence[Step], *, undo: bool) -> tuple[DatapathError, ...]:
        ignored: list[DatapathError] = []
        undoing: list[Step] = []
        for number, step in enumerate(steps, 1):
            try:
                undoing += self._try(step)
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
                self._apply(step)
            except Exception as error:  # noqa: BLE001 - the others can still be undone
                failure.add_note(str(_failure("not undone", step, error)))

    def _try(self, step: Step) -> list[Step]:
        """Carry out a step, and return those that undo it."""
        wait_s = _FIRST_WAIT_S
        for _ in range(step.tries - 1):
            with contextlib.suppress(OSError):
                return self._apply(step)
            self.sleep(wait_s * (1 + _JITTER * random.random()))  # noqa: S311 - not for secrets
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
        return self._apply(step)

    # --- one step ---------------------------------------------------------------------------------------------------------

    def _apply(self, step: Step) -> list[Step]:
        try:
            if isinstance(step.value, Address) and step.mode is Mode.WAIT:
                self._wait(step.namespace, step.value)
                return []
            return self._delete(step) if step.mode in DELETIONS else self._create(step)
        except OSError as error:
            if error.errno in step.tolerated:
                return []
            raise

    def _create(self, step: Step) -> list[Step]:
        value, where = step.value, step.namespace
        if isinstance(value, Veth | Vlan):
            self._make(where, value)
            return [_undoing(Link(name=value.peer if isinstance(value, Veth) else value.name), Mode.ABSENT, where)]
        if not isinstance(value, _CHANGED_IN_PLACE):
            # Most often there is nothing in its place, which is quicker to try than to read.
            with contextlib.suppress(FileExistsError) if step.mode is Mode.REPLACE else contextlib.nullcontext():
                self._make(where, value)
                return [_undoing(value, Mode.ABSENT, where)]
        before = [each for each in self._read(where, value) if identity(each) == identity(value)]
        if before and step.mode is not Mode.REPLACE:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        if any(matches(value, each) if isinstance(value, Link) else value == each for each in before):
            return []
        if before and isinstance(value, Link):
            value = _differing(value, before[0])
        self._make(where, value, replace=True)
        return [_undoing(each, Mode.REPLACE, where) for each in before] or [_undoing(value, Mode.ABSENT, where)]

    def _delete(self, step: Step) -> list[Step]:
        value = Link(name=step.value.name) if isinstance(step.value, Veth | Vlan) else step.value
        found = [each for each in self._read(step.namespace, value) if matches(value, each)]
        if not found:
            number = netlink.NOT_THERE.get(type(value), errno.ENOENT)
            raise OSError(number, os.strerror(number))
        chosen = found if step.mode is Mode.DELETE_ALL else found[:1]
        for each in chosen:
            self._remove(step.namespace, each)
        undoing = [_undoing(each, Mode.ADD, step.namespace) for each in chosen if not isinstance(each, Link)]
        if isinstance(value, XtablesRule) and step.mode is not Mode.DELETE_ONE:
            # iptables can have a rule more than once.
            with contextlib.suppress(FileNotFoundError):
                undoing += self._delete(step)
        return undoing

    def _wait(self, namespace: str, address: Address) -> None:
        for _ in range(_DAD_LOOKS):
            if netlink.settled(self._socket(namespace), address):
                return
            self.sleep(_DAD_LOOK_S)
        raise TimeoutError(errno.ETIMEDOUT, f"{address.address} is still tentative after 10 s")

    # --- one value --------------------------------------------------------------------------------------------------------

    def _make(self, namespace: str, value: Value, *, replace: bool = False) -> None:
        socket = self._socket(namespace)
        match value:
            case Sysctl():
                (_SYSCTLS / value.name).write_text(value.value)
            case Link() | Veth() | Vlan() | Address() | Route() | Rule() | Neighbour():
                netlink.create(socket, value, replace=replace, host_fd=self.namespaces.fds["host"])
            case _:
                programs.create(value)

    def _read(self, namespace: str, value: Readable) -> Sequence[Readable]:
        """Read what can be in the place of a value."""
        socket = self._socket(namespace)
        match value:
            case Sysctl():
                return [attrs.evolve(value, value=(_SYSCTLS / value.name).read_text().strip())]
            case Link() | Address() | Route() | Rule() | Neighbour():
                return netlink.read(socket, type(value))
            case _:
                return programs.matching(value)

    def _remove(self, namespace: str, value: Readable) -> None:
        socket = self._socket(namespace)
        match value:
            case Sysctl():
                raise DatapathError("a kernel setting can be changed, but not deleted")
            case Link() | Address() | Route() | Rule() | Neighbour():
                netlink.delete(socket, value)
            case _:
                programs.delete(value)


def _differing(link: Link, before: Readable) -> Link:
    """Leave out what is so already: the driver of an ENI refuses to set its MAC, even to the same one."""
    same: dict[str, Any] = {name: None for name in ("mac", "mtu", "up") if getattr(link, name) == getattr(before, name)}
    return attrs.evolve(link, **same)


def _undoing(value: Readable, mode: Mode, namespace: Namespace) -> Step:
    return Step(value, mode, "a later step failed", namespace=namespace)


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
