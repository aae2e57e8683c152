"""Every error that the library raises on purpose.

One root, `VpcIpamError`; each subclass says when it is raised. A refused call leaves all state as it was, so catching one of these
and going on is safe. Errors of EC2 itself live beside its protocol, in `vpcipam.ec2.api`.

An error whose meaning is that of a built-in one derives from that too, so that `except ValueError` and `except LookupError` keep working.
Arguments of the wrong *type* raise the built-in `TypeError`, as everywhere in Python.
"""


class VpcIpamError(Exception):
    """The root: something was refused, and the message says what, where, and what to do about it."""


def file_trouble(error: Exception) -> str:
    """Say why a file can't be read or written; its name is for the caller to put before it."""
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8 text"
    return getattr(error, "strerror", None) or str(error)


# --- arguments -----------------------------------------------------------------------------------------------------------


class InvalidArgument(VpcIpamError, ValueError):
    """An argument has the right type but a value that the call can't take."""


class OutOfRange(InvalidArgument):
    """An offset, address, size, count or time lies outside its documented bounds."""


class InvalidAddress(InvalidArgument):
    """A text is not an IP address, or not one of the family that is wanted."""


class InvalidCidr(InvalidArgument):
    """A text is not a CIDR, lies off its own grid (10.0.0.3/28), or has a size that fits no slot of an ENI."""


class TraceError(InvalidArgument):
    """A trace of pods can't be read: the file, its columns or one of its rows; the message names the line."""


class ScenarioError(InvalidArgument):
    """A scenario of a fleet makes no sense: the message names the key, and what it takes."""


class InvalidSandboxKey(InvalidArgument):
    """A sandbox key is empty: it could never be told from the next pod's."""


# --- pools ---------------------------------------------------------------------------------------------------------------


class PoolError(VpcIpamError):
    """A pool refused: the root of all that `vpcipam.pool` raises beyond bad arguments."""


class PoolExhausted(PoolError):
    """No free place is left: all are in use, cooling, or closed to new assignments."""


class NoFreeRun(PoolError):
    """No aligned run of that length is free, though single places may be."""


class AlreadyAllocated(PoolError):
    """The offset is in use."""


class NotAllocated(PoolError):
    """The offset, or one of the run, is free already: a double release."""


class OverlappingBlock(PoolError):
    """The block shares an address with one that the pool holds."""


class UnknownBlock(PoolError, LookupError):
    """The pool holds no block with that base."""


class BlockInUse(PoolError):
    """The block has assigned addresses and was not removed by force."""


class AlreadyAssigned(PoolError):
    """The address belongs to another key, or the key already has another address."""


class CoolingDown(PoolError):
    """The address was released a moment ago and its cooldown is not over."""


class NotInPool(PoolError, LookupError):
    """The address lies in no block of the pool."""


class PoolLocked(PoolError):
    """A call that needs no lock otherwise came while another thread had that of the pool's owner."""


class UnknownKey(PoolError, LookupError):
    """The key has no address: it never had one, or it was released already."""


# --- limits and settings -------------------------------------------------------------------------------------------------


class UnknownInstanceType(VpcIpamError, LookupError):
    """The instance type is not in the table; the message names close matches."""


class SettingsError(VpcIpamError):
    """The settings can't be used: the daemon would refuse to start with them, or they don't fit the instance type."""


class ManifestError(VpcIpamError, ValueError):
    """A manifest can't be read, or holds no aws-node container."""


class MissingExtra(VpcIpamError, ImportError):
    """A part of the library needs a package that is not installed; the message names the extra to install."""


# --- datastore -----------------------------------------------------------------------------------------------------------


class DatastoreError(VpcIpamError):
    """The datastore refused a change of ENIs or CIDRs."""


class DuplicateEni(DatastoreError):
    """The ENI, or its device number, is in the datastore already."""


class UnknownEni(DatastoreError, LookupError):
    """The datastore holds no ENI of that id."""


class EniInUse(DatastoreError):
    """The ENI still has pods and was not removed by force."""


class OverlappingCidr(DatastoreError):
    """The CIDR shares an address with one that the datastore holds, on this ENI or another."""


class UnknownCidr(DatastoreError, LookupError):
    """The ENI holds no such CIDR."""


class CidrInUse(DatastoreError):
    """The CIDR still has pods and was not removed by force."""


class InQuarantine(DatastoreError):
    """The journal has an entry about the sandbox or the address that can't be taken as it stands, and nobody has decided about it."""


# --- journals ------------------------------------------------------------------------------------------------------------


class JournalError(VpcIpamError):
    """A journal can't be opened, read or written: the disk is full, read-only or failing, or the journal is closed."""


class JournalLocked(JournalError):
    """Another process, which the message names, has the journal open."""


class JournalCorrupt(JournalError):
    """A journal can't be read whole; the message says where it breaks off, and what reads the good part."""


class JournalFormatError(JournalError):
    """The file is a journal of a newer release, or something else altogether."""


class JournalConflict(JournalError):
    """The journal holds another address for the sandbox, or another sandbox for the address."""


# --- node ----------------------------------------------------------------------------------------------------------------


class NodeError(VpcIpamError):
    """The node refused: it was not started, or it runs as many pods as its kubelet lets it."""


# --- EC2 -----------------------------------------------------------------------------------------------------------------


class NotModelled(VpcIpamError, NotImplementedError):
    """EC2 has such an action or parameter, but the model has not; the message says what it has, or what to leave out."""
