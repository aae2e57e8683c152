"""The errors that the library raises on purpose.

All derive from `VpcIpamError`. A refused call changes nothing, so you can catch its error and continue. The errors of EC2 are in
`vpcipam.ec2.errors`.

An error with the meaning of a built-in one also derives from the built-in one, so that `except ValueError` and `except LookupError` work.
An argument of the wrong *type* raises the built-in `TypeError`.
"""


class VpcIpamError(Exception):
    """The base of all errors. The message says what is wrong, where, and what to do about it."""


def file_trouble(error: Exception) -> str:
    """Return the reason why a file can't be read or written. The caller puts the file's name before it."""
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8 text"
    if isinstance(error, FileExistsError):
        return "it is a file, and a folder is needed"
    return getattr(error, "strerror", None) or str(error)


# --- arguments -----------------------------------------------------------------------------------------------------------


class InvalidArgument(VpcIpamError, ValueError):
    """An argument has the right type but an invalid value."""


class OutOfRange(InvalidArgument):
    """An offset, address, size, count or time is outside its documented bounds."""


class InvalidAddress(InvalidArgument):
    """A text is not an IP address, or has the other IP version."""


class InvalidCidr(InvalidArgument):
    """A text is not a CIDR, is off its grid (10.0.0.3/28 starts at no multiple of 16), or has a size that fits no slot of an ENI."""


class TraceError(InvalidArgument):
    """A trace of pods can't be read: the file, its columns or one of its rows. The message names the line."""


class LogError(InvalidArgument):
    """A log can't be read, or is none. The message says what it is instead, if that can be told, and what to give."""


class EvidenceError(InvalidArgument):
    """A file to inspect can't be read, or is too large. What is wrong within a file is no error: `Evidence.skipped` lists it."""


class ScenarioError(InvalidArgument):
    """A fleet scenario is invalid. The message names the key and the values that it takes."""


class InvalidSandboxKey(InvalidArgument):
    """A sandbox key has no container id, so that all pods would have the same key; or a journal can't store its text."""


# --- pools ---------------------------------------------------------------------------------------------------------------


class PoolError(VpcIpamError):
    """The base of the errors of `vpcipam.pool`, except those about invalid arguments."""


class PoolExhausted(PoolError):
    """No address or offset is free: all are in use, cooling, or closed to new assignments."""


class NoFreeRun(PoolError):
    """No aligned run of that length is free. Single offsets can still be free."""


class AlreadyAllocated(PoolError):
    """The offset is in use."""


class NotAllocated(PoolError):
    """The offset, or one of the run, is already free: a double release."""


class OverlappingBlock(PoolError):
    """The block shares an address with another block of the pool."""


class UnknownBlock(PoolError, LookupError):
    """The pool has no block with that base."""


class BlockInUse(PoolError):
    """The block has assigned addresses. Only a forced removal removes it."""


class AlreadyAssigned(PoolError):
    """The address belongs to another key, or the key already has another address."""


class CoolingDown(PoolError):
    """The cooldown of the address is not over."""


class NotInPool(PoolError, LookupError):
    """The address is in no block of the pool."""


class PoolLocked(PoolError):
    """The caller does not have the lock of the pool's owner, and another thread has it. Take the lock and call again."""


class UnknownKey(PoolError, LookupError):
    """The key has no address: it never had one, or has released it."""


# --- limits and settings -------------------------------------------------------------------------------------------------


class UnknownInstanceType(VpcIpamError, LookupError):
    """The instance type is not in the table. The message names close matches."""


class SettingsError(VpcIpamError):
    """The settings are unusable: ipamd would refuse to start with them, or they don't fit the instance type."""


class ManifestError(VpcIpamError, ValueError):
    """A manifest can't be read, or has no aws-node container.

    Attributes:
        line: where in its text the fault is, from 1; None if that is not known.
    """

    line: int | None = None


class MissingExtra(VpcIpamError, ImportError):
    """A package is not installed. The message names the extra to install."""


# --- datastore -----------------------------------------------------------------------------------------------------------


class DatastoreError(VpcIpamError):
    """The base of the errors of `vpcipam.datastore`."""


class DuplicateEni(DatastoreError):
    """The datastore already has the ENI, or another one with its device number."""


class UnknownEni(DatastoreError, LookupError):
    """The datastore has no ENI of that id."""


class EniInUse(DatastoreError):
    """The ENI has pods or addresses in quarantine. Only a forced removal removes it."""


class OverlappingCidr(DatastoreError):
    """The CIDR shares an address with another CIDR of the datastore, on this ENI or another."""


class UnknownCidr(DatastoreError, LookupError):
    """The ENI has no such CIDR."""


class CidrInUse(DatastoreError):
    """The CIDR has pods or addresses in quarantine. Only a forced removal removes it."""


class InQuarantine(DatastoreError):
    """A journal entry about the sandbox or the address is in quarantine, and nobody has decided about it."""


# --- journals ------------------------------------------------------------------------------------------------------------


class JournalError(VpcIpamError):
    """A journal can't be opened, read or written: for example because the disk is full, or the journal is closed."""


class JournalLocked(JournalError):
    """Another process has the journal open. The message has its process id."""


class JournalCorrupt(JournalError):
    """A journal is damaged. The message says where, and how to read the undamaged part."""


class JournalFormatError(JournalError):
    """The file is a journal of a newer release, or not a journal."""


class JournalConflict(JournalError):
    """The journal has another address for the sandbox, or another sandbox for the address."""


# --- node ----------------------------------------------------------------------------------------------------------------


class NodeError(VpcIpamError):
    """The node refuses a call: it is not started or is still starting, or its start failed."""


# --- datapath ------------------------------------------------------------------------------------------------------------


class DatapathError(VpcIpamError):
    """A change of the kernel failed, or it can't be read. The message says which step, why, and what to do.

    Attributes:
        errno: the kernel's; None if a program such as iptables failed.
    """

    errno: int | None = None


class UnknownNamespace(DatapathError, LookupError):
    """There is no network namespace at that path."""


# --- EC2 -----------------------------------------------------------------------------------------------------------------


class NotModelled(VpcIpamError, NotImplementedError):
    """EC2 has this action or parameter, but the model does not. The message says what the model has, or what to leave out."""
