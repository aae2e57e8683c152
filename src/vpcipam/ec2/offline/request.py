"""Requests to the offline EC2, the handlers of its actions, and paged answers."""

import base64
import hashlib
import json
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from vpcipam.ec2.errors import Ec2Error, ErrorCode
from vpcipam.ec2.model import Ec2Model
from vpcipam.ec2.offline.wire import Members
from vpcipam.ec2.state.names import OWNER_ID
from vpcipam.errors import NotModelled

if TYPE_CHECKING:
    from botocore.model import ServiceModel

_Item = TypeVar("_Item")
PAGE = ("MaxResults", "NextToken")
"""The parameters of paged answers."""
_OF_EVERY_ACTION = {"DryRun", "ClientToken"}
_MOST_FILTERS = 50
_MOST_VALUES = 200


@attrs.frozen
class Region:
    """The region that appears in answers, and the account."""

    name: str

    @property
    def owner_id(self) -> str:
        """The account that owns everything."""
        return OWNER_ID


@attrs.frozen
class Request:
    """A request with parameters that botocore has validated.

    Attributes:
        members: the parameters, by boto3's names.
        service: EC2's description, for members that a world may hold in any shape; None leaves them unchecked.
    """

    action: str
    members: Members
    model: Ec2Model
    region: Region
    now_ns: int
    service: "ServiceModel | None" = None

    def get(self, name: str, default: Any = None) -> Any:  # noqa: ANN401  # each parameter has its own type
        """Return a parameter."""
        return self.members.get(name, default)

    def refusal(self, code: str, message: str) -> Ec2Error:
        """Create the error that refuses this request."""
        return Ec2Error(code, message, self.action)

    def invalid(self, parameter: str, value: object) -> Ec2Error:
        """Create the error for a value that a parameter can't have."""
        return self.refusal(ErrorCode.INVALID_PARAMETER_VALUE, f"Value ({value}) for parameter {parameter} is invalid.")

    def missing(self, name: str) -> Ec2Error:
        """Create the error for a parameter that EC2 requires."""
        return self.refusal(ErrorCode.MISSING_PARAMETER, f"The request must contain the parameter {name}")

    def not_modelled(self, what: str) -> NotModelled:
        """Create the error for a request that EC2 supports but the model does not."""
        return NotModelled(f"{self.action}: {what} is not modelled offline; leave it out")

    def texts(self, name: str, member: str | None = None) -> tuple[str, ...]:
        """Return a list of texts, or one member of each structure of a list.

        Raises:
            Ec2Error: MissingParameter for a structure without that member.
        """
        items = self.get(name, ())
        if member is None:
            return tuple(items)
        if any(member not in item for item in items):
            raise self.missing(f"{name}.{member}")
        return tuple(item[member] for item in items)

    def private_ips(self) -> tuple[str | None, tuple[str, ...]]:
        """Return the primary IP that an ENI names, or None, and the secondary ones. EC2 has two parameters for the primary IP.

        Raises:
            Ec2Error: InvalidParameterCombination for more than one primary IP; MissingParameter for an item without an address.
        """
        named = zip(self.texts("PrivateIpAddresses", "PrivateIpAddress"), self.get("PrivateIpAddresses", ()), strict=True)
        ips = [(address, item.get("Primary", False)) for address, item in named]
        primaries = [address for address, is_primary in ips if is_primary]
        primaries += [self.get("PrivateIpAddress")] if "PrivateIpAddress" in self.members else []
        if len(primaries) > 1:
            message = f"{', '.join(primaries)}: an ENI has one primary private IP address"
            raise self.refusal(ErrorCode.INVALID_PARAMETER_COMBINATION, message)
        return next(iter(primaries), None), tuple(address for address, is_primary in ips if not is_primary)

    def ipv6_addresses(self) -> tuple[str, ...]:
        """Return the IPv6 addresses that an ENI names.

        Raises:
            Ec2Error: MissingParameter for an item without an address.
            NotModelled: an item claims to be the primary one, which is for EC2 to choose.
        """
        addresses = self.texts("Ipv6Addresses", "Ipv6Address")
        if any(item.get("IsPrimaryIpv6") for item in self.get("Ipv6Addresses", ())):
            raise self.not_modelled("Ipv6Addresses.IsPrimaryIpv6 of True")
        return addresses

    def tags(self, resource_type: str, *, others: Container[str] = (), only_its_own: bool = False) -> tuple[tuple[str, str], ...]:
        """Return the tags of the new resource; ignore those for the resource types in `others`, or for all others.

        Raises:
            Ec2Error: InvalidParameter for a specification without a type or without tags; InvalidParameterValue for tags of another
                resource type.
        """
        pairs: list[tuple[str, str]] = []
        for specification in self.get("TagSpecifications", ()):
            wanted = specification.get("ResourceType")
            if wanted is None:
                raise self.refusal(ErrorCode.INVALID_PARAMETER, "Tag specification resource type must have a value")
            if not specification.get("Tags"):
                raise self.refusal(ErrorCode.INVALID_PARAMETER, "Tag specification must have at least one tag")
            if wanted in others or (only_its_own and wanted != resource_type):
                continue
            if wanted != resource_type:
                raise self.refusal(
                    ErrorCode.INVALID_PARAMETER_VALUE, f"'{wanted}' is not a valid taggable resource type for this operation."
                )
            pairs += tag_pairs(specification.get("Tags", ()))
        return tuple(pairs)

    def filters(self) -> list[tuple[str, tuple[str, ...]]]:
        """Return the filters: names with values. EC2 takes several filters of one name, all of which must match.

        Raises:
            Ec2Error: InvalidParameterValue for one without a name or values; FilterLimitExceeded for too many (EC2: "Filter the output").
        """
        found = []
        given = self.get("Filters", ())
        if len(given) > _MOST_FILTERS or any(len(each.get("Values", ())) > _MOST_VALUES for each in given):
            message = f"A request has at most {_MOST_FILTERS} filters, and a filter {_MOST_VALUES} values."
            raise self.refusal(ErrorCode.FILTER_LIMIT_EXCEEDED, message)
        for each in given:
            name = each.get("Name")
            if not name or not each.get("Values"):
                message = f"The filter '{name}' is invalid: each filter needs a name and values"
                raise self.refusal(ErrorCode.INVALID_PARAMETER_VALUE, message)
            found.append((name, tuple(each["Values"])))
        return found


def tag_pairs(tags: Iterable[Mapping[str, str]]) -> list[tuple[str, str]]:
    """Parse tags; a missing value is empty."""
    return [(tag.get("Key", ""), tag.get("Value", "")) for tag in tags]


def _names(names: Iterable[str]) -> frozenset[str]:
    return frozenset(names)


_WORDS = {"InstanceIds": "instancesSet"}
"""EC2's words for parameters, where its messages are known to have others."""


@attrs.frozen
class Pages:
    """The pages of an action's answers; the defaults are those of most actions (EC2: their API reference).

    Attributes:
        names: the parameters that name items; EC2 refuses MaxResults beside them.
        smallest: the lowest MaxResults.
        largest: the highest MaxResults.
    """

    names: tuple[str, ...] = ()
    smallest: int = 5
    largest: int = 1_000

    def require_fitting(self, request: Request) -> None:
        """Check MaxResults.

        Raises:
            Ec2Error: InvalidParameterCombination for MaxResults beside names; InvalidParameterValue for one out of range.
        """
        size = request.get("MaxResults")
        if size is None:
            return
        for name in self.names:
            if name in request.members:
                message = f"The parameter {_WORDS.get(name, name)} cannot be used with the parameter maxResults"
                raise request.refusal(ErrorCode.INVALID_PARAMETER_COMBINATION, message)
        if not self.smallest <= size <= self.largest:
            bound = f"greater than {self.smallest}" if size < self.smallest else f"less than {self.largest}"
            message = f"Value ( {size} ) for parameter maxResults is invalid. Expecting a value {bound}."
            raise request.refusal(ErrorCode.INVALID_PARAMETER_VALUE, message)


@attrs.frozen
class ActionHandler:
    """The handler of one EC2 action.

    Attributes:
        answer: returns the answer's members; raises `Ec2Error` if EC2 refuses.
        takes: the parameters that the answer depends on. If dotted names tell members of a structure, it has no others.
        ignores: the parameters, or dotted names of members, that are accepted and ignored, since no address depends on them.
        needs: the parameters that EC2 requires beyond those that boto3 requires.
        refuses_without: the parameters that boto3 requires, whose absence the model refuses in its own words.
        pages: the pages of its answers; None for answers without pages.
        show: turns the model's answer into members, for a client token whose first answer was lost; None for no members.
    """

    answer: Callable[[Request], Members]
    takes: frozenset[str] = attrs.field(converter=_names, default=frozenset())
    ignores: frozenset[str] = attrs.field(converter=_names, default=frozenset())
    needs: frozenset[str] = attrs.field(converter=_names, default=frozenset())
    refuses_without: frozenset[str] = attrs.field(converter=_names, default=frozenset())
    pages: Pages | None = None
    show: Callable[[Request, Any], Members] | None = None
    _known: frozenset[str] = attrs.field(init=False)
    _structures: frozenset[str] = attrs.field(init=False)  # those whose members have dotted names

    @_known.default
    def _every_name(self) -> frozenset[str]:
        return self.takes | self.ignores | _OF_EVERY_ACTION

    @_structures.default
    def _before_dots(self) -> frozenset[str]:
        return frozenset(name.rpartition(".")[0] for name in self._known if "." in name)

    def require_known(self, request: Request, required: Iterable[str]) -> None:
        """Check that every parameter is known, that none is missing of those that boto3 or EC2 requires, and the size of the page.

        Raises:
            NotModelled: a parameter affects the answer in EC2 and is not modelled.
            Ec2Error: MissingParameter; for MaxResults as `Pages.require_fitting`.
        """
        for name in (*required, *sorted(self.needs)):
            if name not in request.members and name not in self.refuses_without:
                raise request.missing(name)
        unknown = sorted(set(self._unknown(request.members, "")))
        if unknown:
            raise request.not_modelled(", ".join(unknown))
        if self.pages is not None:
            self.pages.require_fitting(request)

    def _unknown(self, members: Members, within: str) -> Iterator[str]:
        for name, value in members.items():
            path = f"{within}{name}"
            if path in self._structures:
                for each in value if isinstance(value, list) else (value,):
                    yield from self._unknown(each, f"{path}.")
            elif path not in self._known:
                yield path


def paged(
    request: Request,
    items: Sequence[_Item],
    *,
    into: str,
    key: Callable[[_Item], str],
    view: Callable[[_Item, Region], Members],
    default_page: int | None = None,
) -> Members:
    """Return one page of items, with the token of the next page if there is one.

    A token names the last item of its page, so that items which appear or vanish between two pages don't shift or repeat the others. It
    belongs to its action and the other parameters; only MaxResults may change from page to page.

    Args:
        request: its MaxResults and NextToken select the page; without MaxResults the page has its default size.
        items: all items, ascending by key.
        into: the member of the answer that holds the items.
        key: returns an item's unique key.
        view: formats an item.
        default_page: the size of a page without MaxResults; None for all items.

    Raises:
        Ec2Error: InvalidNextToken.
    """
    size = request.get("MaxResults")
    token = request.get("NextToken")
    if token:  # an empty one asks for the first page
        last_shown = _read_token(request, token)
        items = [item for item in items if key(item) > last_shown]
    page = items[: default_page if size is None else size]
    more = len(page) < len(items)
    return {into: [view(item, request.region) for item in page], "NextToken": _write_token(request, key(page[-1])) if more else None}


def _write_token(request: Request, last_shown: str) -> str:
    return base64.urlsafe_b64encode(f"{_question(request)} {last_shown}".encode()).decode()


def _read_token(request: Request, token: str) -> str:
    try:
        question, _, last_shown = base64.b64decode(token, altchars=b"-_", validate=True).decode().partition(" ")
    except ValueError:  # not ASCII, not base64, or not UTF-8 within
        question = last_shown = ""
    if question != _question(request):
        message = f"The token '{token}' is not from an answer of this action with these parameters"
        raise request.refusal(ErrorCode.INVALID_NEXT_TOKEN, message)
    return last_shown


def _question(request: Request) -> str:
    """Return a short text without blanks for the action and all parameters but those of paging."""
    asked = {name: value for name, value in request.members.items() if name not in PAGE}
    return hashlib.sha256(json.dumps([request.action, asked], sort_keys=True).encode()).hexdigest()[:16]
