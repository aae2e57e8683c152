"""The offline EC2: it reads requests off the wire, asks the model, and writes what EC2 would answer."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import attrs

from vpcipam.ec2.api import Ec2Error, ErrorCode, LostAnswer
from vpcipam.ec2.model import Ec2Model
from vpcipam.ec2.offline import addresses, enis, instances, subnets, tags, trunks, vpcs
from vpcipam.ec2.offline.request import Action, Region, Request
from vpcipam.ec2.offline.wire import Members, read_request, write_answer, write_error
from vpcipam.errors import NotModelled

if TYPE_CHECKING:
    from botocore.model import OperationModel

_ROOMS = (addresses, enis, instances, subnets, tags, trunks, vpcs)
ACTIONS: Final[dict[str, Action]] = dict(sorted(item for room in _ROOMS for item in room.ACTIONS.items()))
"""The actions that are answered, by EC2's names."""

_OK = 200
_BAD_REQUEST = 400
_STATUS_CODES = {
    ErrorCode.UNAUTHORIZED: 403,
    ErrorCode.REQUEST_LIMIT_EXCEEDED: 503,
    "InternalError": 500,
    "Unavailable": 503,
    "DryRunOperation": 412,
}


@attrs.frozen
class Answer:
    """What goes back over the wire."""

    status_code: int
    body: bytes


class Server:
    """EC2 in one region, answered by a model.

    Args:
        model: what answers.
        region: the region that answers speak of.
        now_ns: tells the time of each call, Unix nanoseconds.
    """

    def __init__(self, model: Ec2Model, region: Region, now_ns: Callable[[], int]) -> None:
        self._model = model
        self._region = region
        self._now_ns = now_ns
        self._request_count = 0
        self._granted: dict[tuple[str, str], tuple[Members, Members]] = {}  # action, token: request, answer

    def answer(self, body: str, operation: "OperationModel") -> Answer:
        """Answer one request.

        Raises:
            NotModelled: the action, or a parameter that would matter, is none that the model knows.
            Ec2Error: RequestTimeout, where the model lets the answer be lost on its way.
        """
        self._request_count += 1
        request_id = f"00000000-0000-4000-8000-{self._request_count:012x}"
        action = find_action(operation.name)
        try:
            request = Request(operation.name, read_request(body, operation), self._model, self._region, self._now_ns())
            members = self._carry_out(action, request)
        except Ec2Error as error:
            if error.code == ErrorCode.REQUEST_TIMEOUT:
                raise
            return Answer(_STATUS_CODES.get(error.code, _BAD_REQUEST), write_error(error.code, error.message, request_id))
        return Answer(_OK, write_answer(members, operation, request_id))

    def _carry_out(self, action: Action, request: Request) -> Members:
        action.require_known(request)
        if request.get("DryRun"):
            raise request.refusal("DryRunOperation", "Request would have succeeded, but DryRun flag is set.")
        token = request.get("ClientToken")
        if token is None:
            return action.answer(request)
        earlier, answer = self._granted.get((request.action, token), (request.members, None))
        if earlier != request.members:
            raise request.refusal("IdempotentParameterMismatch", f"ClientToken {token!r} came before with other parameters")
        if answer is None:
            try:
                answer = action.answer(request)
            except LostAnswer as lost:
                self._granted[request.action, token] = request.members, action.show(request, lost.answer) if action.show else {}
                raise
            self._granted[request.action, token] = request.members, answer
        return answer


def find_action(name: str) -> Action:
    """Find an action by EC2's name of it.

    Raises:
        NotModelled: there is none; the message lists those that there are.
    """
    try:
        return ACTIONS[name]
    except KeyError:
        raise NotModelled(f"{name} is not modelled offline; these actions are: {', '.join(ACTIONS)}") from None
