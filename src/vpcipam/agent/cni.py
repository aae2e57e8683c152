"""`vpcipam-cni`: the CNI plugin. It checks what the runtime asks for, asks the agent, and prints the result (CNI 0.4.0 to 1.1.0).

Its checks are those of the Go library that most plugins use, so that a runtime gets the errors that it knows. The runtime waits for this
program at each pod, so it imports only what it needs, and most of it only when it needs it.
"""

import json
import os
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

from vpcipam.agent import wire
from vpcipam.errors import VpcIpamError

VERSIONS: Final = ("0.4.0", "1.0.0", "1.1.0")
"""The versions of the specification that a configuration may name, ascending."""
STATE_FOLDER: Final = "stateFolder"
"""The member of the plugin's configuration that names the agent's folder."""

VERSION_ERROR: Final = 1
ENVIRONMENT_ERROR: Final = 4
IO_ERROR: Final = 5
DECODE_ERROR: Final = 6
CONFIG_ERROR: Final = 7
NETNS_ERROR: Final = 8
TRY_AGAIN: Final = 11
NOT_AVAILABLE: Final = 50
NOT_AS_EXPECTED: Final = 100
"""Our own code: what CHECK expects is missing, or a pod can't be wired as asked."""
INTERNAL_ERROR: Final = 999

STDIN_LIMIT: Final = wire.MESSAGE_LIMIT
STATUS_TIMEOUT_S: Final = 5.0
"""A runtime asks for STATUS every few seconds. An agent that does not answer in this time is not available."""

_WITH_NAMESPACE = ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME")
_REQUIRED = {"ADD": _WITH_NAMESPACE, "CHECK": _WITH_NAMESPACE, "DEL": ("CNI_CONTAINERID", "CNI_IFNAME"), "GC": (), "STATUS": ()}
_WITHOUT_AGENT = {"ADD": TRY_AGAIN, "CHECK": TRY_AGAIN, "GC": NOT_AVAILABLE, "STATUS": NOT_AVAILABLE}
_OF_NEWEST_VERSION = {"GC", "STATUS"}
_NAME = r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,117}"
_NAMING = "it must begin with a letter or a digit, and have at most 118 letters, digits, _, . and -"  # so that a note has a file name
_LONGEST_INTERFACE_NAME = 15
_TRUE = {"1", "t", "T", "true", "TRUE", "True"}
_POD_ARGUMENTS = ("K8S_POD_NAMESPACE", "K8S_POD_NAME", "K8S_POD_INFRA_CONTAINER_ID", "K8S_POD_UID")
_ANNOTATIONS = "io.kubernetes.cri.pod-annotations"
_MULTI_NIC = ("k8s.amazonaws.com/nicConfig", "multi-nic-attachment")
_ATTACHMENTS = ("cni.dev/valid-attachments", "cni.dev/attachments")  # libcni sends both

Ask = Callable[..., dict[str, Any]]
"""As `wire.ask`."""


class CniError(VpcIpamError):
    """An error for the runtime, with its code of the specification. The agent raises it too."""

    def __init__(self, code: int, message: str, details: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.details = details


def main() -> int:
    """Do what the environment says, as all that this process does, and return its exit code."""
    try:
        out, code = run(os.environ, lambda: sys.stdin.buffer.read(STDIN_LIMIT + 1))
        sys.stdout.write(out)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still buffered has no reader
        return 1
    return code


def run(environment: Mapping[str, str], read_stdin: Callable[[], bytes], ask: Ask = wire.ask) -> tuple[str, int]:
    """Carry out one call of the runtime.

    Args:
        environment: the variables of the process.
        read_stdin: reads the configuration, at most `STDIN_LIMIT` + 1 bytes.
        ask: asks the agent.

    Returns:
        What to print, and the exit code.
    """
    if not environment.get("CNI_COMMAND"):
        sys.stderr.write(f"vpcipam-cni: the CNI plugin of vpcipam\nCNI protocol versions supported: {', '.join(VERSIONS)}\n")
        return "", 0
    version = VERSIONS[-1]
    try:
        if environment["CNI_COMMAND"] == "VERSION":
            return _line({"cniVersion": version, "supportedVersions": list(VERSIONS)}), 0
        call = _Call(environment, read_stdin, ask)
        version = call.version
        result = _VERBS[call.verb](call)
    except CniError as error:
        code, message, details = error.code, str(error), error.details
    except wire.AgentUnreachable as error:
        code, message, details = _WITHOUT_AGENT[call.verb], str(error), "start it with `vpcipam agent`"
    except Exception as error:  # noqa: BLE001 - the runtime reads JSON, not tracebacks
        message = str(error) if isinstance(error, wire.MessageError) else f"the plugin failed: {type(error).__name__}: {error}"
        code, details = INTERNAL_ERROR, ""
    else:
        return ("" if result is None else _line(result)), 0
    return _line({"cniVersion": version, "code": code, "msg": message, "details": details}), 1


def _line(document: Mapping[str, Any]) -> str:
    return json.dumps(document) + "\n"


class _Call:
    """One call of the runtime, checked as far as its verb needs.

    Attributes:
        config: the plugin's configuration, with what the runtime has added.
        folder: the agent's.
    """

    def __init__(self, environment: Mapping[str, str], read_stdin: Callable[[], bytes], ask: Ask) -> None:
        self._ask = ask
        self.verb = environment["CNI_COMMAND"]
        required = _REQUIRED.get(self.verb, ())
        missing = [name for name in required if not environment.get(name)]
        self.container_id, self.if_name = environment.get("CNI_CONTAINERID", ""), environment.get("CNI_IFNAME", "")
        self.netns, self._arguments = environment.get("CNI_NETNS", ""), environment.get("CNI_ARGS", "")
        self._may_be_host = environment.get("CNI_NETNS_OVERRIDE", "").upper() in {"1", "TRUE"}
        if "CNI_CONTAINERID" in required and self.container_id and not re.fullmatch(_NAME, self.container_id):
            raise CniError(ENVIRONMENT_ERROR, f"CNI_CONTAINERID is {self.container_id!a}", _NAMING)
        if "CNI_IFNAME" in required and self.if_name and not _is_interface_name(self.if_name):
            raise CniError(ENVIRONMENT_ERROR, "CNI_IFNAME can't be the name of an interface", repr(self.if_name))
        if missing:
            raise CniError(ENVIRONMENT_ERROR, f"required env variables [{','.join(missing)}] missing")
        self.config = _read_config(read_stdin)
        self.network_name = self.config.get("name", "")
        if not isinstance(self.network_name, str) or not self.network_name:
            raise CniError(CONFIG_ERROR, "missing network name")
        if not re.fullmatch(_NAME, self.network_name):
            raise CniError(CONFIG_ERROR, f"the network's name is {self.network_name!a}", _NAMING)
        if self.verb not in _REQUIRED:
            raise CniError(ENVIRONMENT_ERROR, f"unknown CNI_COMMAND: {self.verb}")
        self.version = self._checked_version()
        folder = self.config.get(STATE_FOLDER, wire.DEFAULT_FOLDER)
        if not isinstance(folder, str) or not folder.startswith("/") or not folder.isprintable():
            raise CniError(CONFIG_ERROR, f"{STATE_FOLDER} must be the absolute path of the agent's folder", repr(folder))
        self.folder = folder

    def _checked_version(self) -> str:
        version = self.config.get("cniVersion", "0.1.0")  # the specification's default
        if not isinstance(version, str):
            raise CniError(DECODE_ERROR, "cniVersion must be a text", repr(version))
        if version not in VERSIONS:
            raise CniError(VERSION_ERROR, "incompatible CNI versions", f"config is {version!r}, plugin supports {list(VERSIONS)}")
        if self.verb in _OF_NEWEST_VERSION and version != VERSIONS[-1]:
            raise CniError(VERSION_ERROR, f"config version does not allow {self.verb}", f"it is {version}, not {VERSIONS[-1]}")
        return version

    @property
    def key(self) -> tuple[str, str, str]:
        return self.network_name, self.container_id, self.if_name

    def ask(self, members: Mapping[str, Any], **options: Any) -> dict[str, Any]:  # noqa: ANN401 - those of `wire.ask`
        """Ask the agent to do what the verb says. If it refuses, so does this."""
        answer = self._ask(self.folder, {"verb": self.verb, **members}, **options)
        error = answer.get("error")
        if error is None:
            return answer
        raise CniError(error["code"], error["msg"], error.get("details", ""))

    def pod(self) -> tuple[str, str]:
        """Read the pod's namespace and name from CNI_ARGS; each is empty if it isn't there."""
        pairs = [pair.split("=") for pair in self._arguments.split(";") if self._arguments]
        if any(len(pair) != 2 for pair in pairs):
            raise CniError(ENVIRONMENT_ERROR, "CNI_ARGS must be NAME=VALUE;NAME=VALUE", repr(self._arguments))
        arguments = {name: value for name, value in pairs}  # noqa: C416 - mypy reads dict(pairs) as pairs of lists
        unknown = sorted({*arguments} - {*_POD_ARGUMENTS, "IgnoreUnknown"})
        if unknown and arguments.get("IgnoreUnknown", "") not in _TRUE:
            raise CniError(ENVIRONMENT_ERROR, f"CNI_ARGS has unknown arguments {unknown}", "IgnoreUnknown=1 lets them pass")
        namespace, name = (arguments.get(each, "") for each in _POD_ARGUMENTS[:2])
        if not (namespace + name).isprintable():
            raise CniError(ENVIRONMENT_ERROR, "the pod's name in CNI_ARGS is not printable", repr(self._arguments))
        return namespace, name

    def previous_result(self) -> dict[str, Any] | None:
        """Return the result of the plugins before this one, None if there is none."""
        result = self.config.get("prevResult")
        if result is None:
            return None
        if not isinstance(result, dict) or not all(_are_objects(result.get(name) or []) for name in ("interfaces", "ips")):
            raise CniError(DECODE_ERROR, "prevResult can't be read: interfaces and ips must be lists of objects")
        return result

    def wants_every_card(self) -> bool:
        """Tell whether the pod's annotations ask for an address of every network card."""
        runtime = self.config.get("runtimeConfig")
        annotations = runtime.get(_ANNOTATIONS) if isinstance(runtime, dict) else None
        return isinstance(annotations, dict) and annotations.get(_MULTI_NIC[0]) == _MULTI_NIC[1]

    def ask_about_namespace(self, **members: Any) -> dict[str, Any]:  # noqa: ANN401 - any member of a request
        """Ask the agent about the sandbox, and pass it the pod's network namespace."""
        try:
            descriptor = os.open(self.netns, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # else a FIFO would wait for a writer
        except (OSError, ValueError) as error:
            raise CniError(NETNS_ERROR, f"can't open the network namespace {self.netns}", str(error)) from None
        try:
            if not self._may_be_host and _is_own_namespace(descriptor):
                raise CniError(NETNS_ERROR, "plugin's netns and netns from CNI_NETNS should not be the same")
            return self.ask({"key": self.key, **members}, netns=descriptor)
        finally:
            os.close(descriptor)


def _is_interface_name(name: str) -> bool:
    return len(os.fsencode(name)) <= _LONGEST_INTERFACE_NAME and name not in {".", ".."} and not re.search(r"[/:\s]", name)


def _read_config(read_stdin: Callable[[], bytes]) -> dict[str, Any]:
    try:
        data = read_stdin()
    except OSError as error:
        raise CniError(IO_ERROR, "error reading from stdin", str(error)) from None
    if len(data) > STDIN_LIMIT:
        raise CniError(DECODE_ERROR, f"the configuration has more than {STDIN_LIMIT} bytes")
    try:
        config = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise CniError(DECODE_ERROR, "the configuration is not JSON", str(error)) from None
    if not isinstance(config, dict):
        raise CniError(DECODE_ERROR, "the configuration is no JSON object")
    return config


def _is_own_namespace(descriptor: int) -> bool:
    """Tell whether an open file is the network namespace of this process."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat("/proc/self/ns/net"))  # noqa: PTH116 - importing pathlib costs every start
    except FileNotFoundError:  # /proc is not mounted
        return False


def _are_objects(items: object, *members: str) -> bool:
    """Tell whether a value is a list of objects that have certain members."""
    return isinstance(items, list) and all(isinstance(each, dict) and {*members} <= {*each} for each in items)


# --- verbs ---------------------------------------------------------------------------------------------------------------


def _add(call: _Call) -> dict[str, Any]:
    previous = call.previous_result() or {}
    answer = call.ask_about_namespace(pod=call.pod(), every_card=call.wants_every_card())
    interfaces, ips = list(previous.get("interfaces") or []), list(previous.get("ips") or [])
    for each in answer["attachments"]:
        mtu = {"mtu": each["mtu"]} if call.version == "1.1.0" else {}
        interfaces.append({"name": each["host_name"], "mac": each["host_mac"], **mtu})
        ips.append(_ip(each["address"], call.version) | {"interface": len(interfaces)})
        interfaces.append({"name": each["pod_name"], "mac": each["pod_mac"], "sandbox": call.netns, **mtu})
    return {"dns": {}, **previous, "cniVersion": call.version, "interfaces": interfaces, "ips": ips}


def _ip(address: str, version: str) -> dict[str, Any]:
    of_version = ("6", 128) if ":" in address else ("4", 32)
    return {**({"version": of_version[0]} if version == "0.4.0" else {}), "address": f"{address}/{of_version[1]}"}


def _check(call: _Call) -> None:
    previous = call.previous_result()
    if previous is None:
        raise CniError(CONFIG_ERROR, "CHECK needs the prevResult of the ADD")
    call.pod()  # as ADD does, only to refuse the same
    listed = [ip.get("address") for ip in previous.get("ips") or []]
    held = [_ip(address, call.version)["address"] for address in call.ask_about_namespace()["addresses"]]
    if not all(each in listed for each in held):
        raise CniError(NOT_AS_EXPECTED, f"the sandbox holds {', '.join(held)}, which prevResult does not list")


def _delete(call: _Call) -> None:
    """Delete a sandbox by its key alone. If no agent answers, leave a note: the agent looks for notes at its start and at each tick."""
    try:
        call.ask({"key": call.key})
    except wire.AgentUnreachable as unreachable:
        from vpcipam.agent.notes import leave_note  # noqa: PLC0415 - most calls don't need it

        try:
            leave_note(call.folder, call.key)
        except OSError as error:
            raise CniError(IO_ERROR, f"{unreachable}, and can't be left a note: {error}", "start it with `vpcipam agent`") from None


def _gc(call: _Call) -> None:
    named = [name for name in _ATTACHMENTS if name in call.config]
    if not named:
        raise CniError(CONFIG_ERROR, f"GC needs {_ATTACHMENTS[0]}: without the list, everything would go")
    attachments = [] if call.config[named[0]] is None else call.config[named[0]]  # Go writes an empty list as null
    if not _are_objects(attachments, "containerID", "ifname"):
        raise CniError(DECODE_ERROR, f"{named[0]} must be a list of objects with containerID and ifname")
    call.ask({"network": call.network_name, "valid": [[each["containerID"], each["ifname"]] for each in attachments]})


def _status(call: _Call) -> None:
    call.ask({}, timeout_s=STATUS_TIMEOUT_S)


_VERBS: Final[Mapping[str, Callable[[_Call], dict[str, Any] | None]]] = {
    "ADD": _add,
    "CHECK": _check,
    "DEL": _delete,
    "GC": _gc,
    "STATUS": _status,
}
