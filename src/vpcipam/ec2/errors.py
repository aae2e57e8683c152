"""EC2's error codes, what they mean to a caller, and the exceptions that carry them.

Every code that the model answers with is here. The checks that raise them are in `vpcipam.ec2.state.call` (arguments),
`vpcipam.ec2.state.rules` (room in a subnet and on an instance), `vpcipam.ec2.actions` (the rest) and `vpcipam.ec2.offline` (codes of the
wire protocol).
"""

import enum

from vpcipam.errors import VpcIpamError


class ErrorCode(enum.StrEnum):
    """EC2's error codes: those that a node distinguishes and those that the model answers with."""

    # An id that does not exist, or is none.
    VPC_NOT_FOUND = "InvalidVpcID.NotFound"
    CIDR_ASSOCIATION_NOT_FOUND = "InvalidVpcCidrBlockAssociationID.NotFound"
    SUBNET_CIDR_ASSOCIATION_NOT_FOUND = "InvalidSubnetCidrBlockAssociationID.NotFound"
    SUBNET_NOT_FOUND = "InvalidSubnetID.NotFound"
    RESERVATION_NOT_FOUND = "InvalidSubnetCidrReservationID.NotFound"
    ENI_NOT_FOUND = "InvalidNetworkInterfaceID.NotFound"
    ATTACHMENT_NOT_FOUND = "InvalidAttachmentID.NotFound"
    ASSOCIATION_NOT_FOUND = "InvalidAssociationID.NotFound"
    ALLOCATION_NOT_FOUND = "InvalidAllocationID.NotFound"
    ELASTIC_IP_NOT_FOUND = "InvalidAddress.NotFound"
    TEMPLATE_NOT_FOUND = "InvalidLaunchTemplateId.NotFound"
    TEMPLATE_NAME_NOT_FOUND = "InvalidLaunchTemplateName.NotFoundException"
    TEMPLATE_VERSION_NOT_FOUND = "InvalidLaunchTemplateId.VersionNotFound"
    INSTANCE_NOT_FOUND = "InvalidInstanceID.NotFound"
    GROUP_NOT_FOUND = "InvalidGroup.NotFound"
    ENI_ID_MALFORMED = "InvalidNetworkInterfaceId.Malformed"
    ATTACHMENT_ID_MALFORMED = "InvalidNetworkInterfaceAttachmentId.Malformed"
    INSTANCE_ID_MALFORMED = "InvalidInstanceID.Malformed"
    GROUP_ID_MALFORMED = "InvalidGroupId.Malformed"
    INSTANCE_INVALID = "InvalidInstanceID"
    INVALID_ID = "InvalidID"
    # An argument that EC2 does not accept.
    INVALID_PARAMETER_VALUE = "InvalidParameterValue"
    INVALID_PARAMETER = "InvalidParameter"
    INVALID_PARAMETER_COMBINATION = "InvalidParameterCombination"
    MISSING_PARAMETER = "MissingParameter"
    INVALID_INPUT = "InvalidInput"
    FILTER_LIMIT_EXCEEDED = "FilterLimitExceeded"
    IMAGE_ID_MALFORMED = "InvalidAMIID.Malformed"
    INVALID_USER_DATA = "InvalidUserData.Malformed"
    MISSING_INPUT = "MissingInput"
    UNKNOWN_PARAMETER = "UnknownParameter"
    MALFORMED_QUERY_STRING = "MalformedQueryString"
    INVALID_NEXT_TOKEN = "InvalidNextToken"  # noqa: S105  # a page token, not a password
    IDEMPOTENT_PARAMETER_MISMATCH = "IdempotentParameterMismatch"
    INSTANCE_TYPE_UNKNOWN = "InvalidInstanceType"
    VPC_RANGE = "InvalidVpc.Range"
    SUBNET_RANGE = "InvalidSubnet.Range"
    SUBNET_CONFLICT = "InvalidSubnet.Conflict"
    CIDR_CONFLICT = "CidrConflict"
    CIDR_LIMIT_EXCEEDED = "CidrLimitExceeded"
    GROUP_DUPLICATE = "InvalidGroup.Duplicate"
    GROUP_RESERVED = "InvalidGroup.Reserved"
    DEFAULT_VPC_EXISTS = "DefaultVpcAlreadyExists"
    DEFAULT_VPC_MISSING = "DefaultVpcDoesNotExist"
    DEFAULT_SUBNET_EXISTS = "DefaultSubnetAlreadyExistsInAvailabilityZone"
    UNSUPPORTED_TENANCY = "UnsupportedTenancy"
    VPC_NOT_SPECIFIED = "VPCIdNotSpecified"
    TEMPLATE_NAME_TAKEN = "InvalidLaunchTemplateName.AlreadyExistsException"
    TEMPLATE_NAME_MALFORMED = "InvalidLaunchTemplateName.MalformedException"
    # Too few addresses, or a limit of the instance type or of tags.
    INSUFFICIENT_FREE_ADDRESSES = "InsufficientFreeAddressesInSubnet"
    INSUFFICIENT_CIDR_BLOCKS = "InsufficientCidrBlocks"
    INSUFFICIENT_ADDRESS_CAPACITY = "InsufficientAddressCapacity"
    ADDRESS_IN_USE = "InvalidIPAddress.InUse"
    PRIVATE_IP_LIMIT_EXCEEDED = "PrivateIpAddressLimitExceeded"
    ADDRESS_LIMIT_EXCEEDED = "InvalidInterface.IpAddressLimitExceeded"
    ATTACHMENT_LIMIT_EXCEEDED = "AttachmentLimitExceeded"
    INSTANCE_LIMIT_EXCEEDED = "InstanceLimitExceeded"
    GROUP_LIMIT_EXCEEDED = "SecurityGroupsPerInterfaceLimitExceeded"
    TAG_LIMIT_EXCEEDED = "TagLimitExceeded"
    # The resource is in a state that does not allow the call.
    ENI_IN_USE = "InvalidNetworkInterface.InUse"
    ALREADY_ASSOCIATED = "Resource.AlreadyAssociated"
    CIDR_IN_USE = "InvalidCidrBlock.InUse"
    DEPENDENCY_VIOLATION = "DependencyViolation"
    CANNOT_DELETE = "CannotDelete"
    INCORRECT_INSTANCE_STATE = "IncorrectInstanceState"
    INCORRECT_STATE = "IncorrectState"
    OPERATION_NOT_PERMITTED = "OperationNotPermitted"
    # The call was throttled, got no answer, was not authorized, or was a dry run.
    REQUEST_LIMIT_EXCEEDED = "RequestLimitExceeded"
    REQUEST_TIMEOUT = "RequestTimeout"
    UNAUTHORIZED = "UnauthorizedOperation"
    DRY_RUN = "DryRunOperation"


OUT_OF_ADDRESSES = frozenset({ErrorCode.INSUFFICIENT_FREE_ADDRESSES, ErrorCode.INSUFFICIENT_CIDR_BLOCKS})
"""The codes that start a node's pause of 120 s (docs/ipamd.md, "Growing the pool")."""

THROTTLED = frozenset(
    {
        *(ErrorCode.REQUEST_LIMIT_EXCEEDED, "Throttling", "ThrottlingException", "ThrottledException"),
        *("RequestThrottled", "TooManyRequestsException"),
    }
)
"""The codes with which AWS throttles a call."""

NO_ROOM_FOR_SECONDARY = "There aren't sufficient free Ipv4 addresses or prefixes"
"""The start of CreateNetworkInterface's InvalidParameterValue message when the subnet lacks room for secondary IPs or prefixes."""

NO_DEFAULT_VPC = "No default VPC for this user. GroupName is only supported for EC2-Classic and default VPC."
"""EC2's message for a call that needs the default VPC where there is none."""

HTTP_STATUS_CODES = {
    ErrorCode.UNAUTHORIZED: 403,
    ErrorCode.DRY_RUN: 412,
    "InternalError": 500,
    "Unavailable": 503,
    ErrorCode.REQUEST_LIMIT_EXCEEDED: 503,
}
"""The HTTP status of a refusal, by error code; every other code comes with 400."""


class Ec2Error(VpcIpamError):
    """EC2 refused a call. Nothing changed there, unless the code is RequestTimeout: no answer came, and the call may have taken effect.

    Attributes:
        code: EC2's error code; an `ErrorCode` where there is one, other text otherwise.
        message: EC2's explanation.
        action: the action that was refused, such as `CreateNetworkInterface`.
    """

    def __init__(self, code: str, message: str, action: str) -> None:
        super().__init__(f"{action}: {code}: {message}")
        self.code = code
        self.message = message
        self.action = action

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle all arguments; by default an exception is rebuilt from its message alone."""
        return type(self), (self.code, self.message, self.action), self.__dict__

    @property
    def out_of_addresses(self) -> bool:
        """Whether the subnet has too few addresses or no free /28; for CreateNetworkInterface only the message says so."""
        if self.code == ErrorCode.INVALID_PARAMETER_VALUE:
            return NO_ROOM_FOR_SECONDARY in self.message
        return self.code in OUT_OF_ADDRESSES


class LostAnswer(Ec2Error):
    """EC2 carried out a call, but its answer was lost. Only a model can know that, so only a model raises it.

    Attributes:
        answer: the answer, for a retry with the same client token; None for a call that changes nothing.
    """

    def __init__(self, code: str, message: str, action: str, answer: object) -> None:
        super().__init__(code, message, action)
        self.answer = answer

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle all arguments, as `Ec2Error` does."""
        return type(self), (self.code, self.message, self.action, self.answer), self.__dict__
