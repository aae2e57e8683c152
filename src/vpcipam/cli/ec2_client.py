"""A client of the real EC2, and advice about its errors."""

import os
from typing import TYPE_CHECKING

from vpcipam.ec2.api import Ec2Error, ErrorCode
from vpcipam.errors import MissingExtra, UnknownInstanceType, VpcIpamError
from vpcipam.limits import InstanceLimits, instance_limits

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

ATTEMPT_COUNT = 5
"""Five attempts pause for 3 s in total, no longer than a person likes to wait."""


class Ec2Unreachable(VpcIpamError):
    """EC2 can't be reached or refuses a call: no credentials, no permission, no network, or an unknown name."""


class Ec2Session:
    """EC2 in one region, with the credentials that boto3 finds.

    Args:
        region: None for the region of the environment or the profile.
        profile: A profile of ~/.aws/config; None for the profile of the environment.

    Raises:
        MissingExtra: boto3 is not installed.
        Ec2Unreachable: There is no such profile, or no region.
    """

    def __init__(self, region: str | None, profile: str | None) -> None:
        client = make_client(region, profile)
        from vpcipam.ec2.boto import BotoEc2  # noqa: PLC0415 - an extra

        self.ec2 = BotoEc2(client, attempt_count=ATTEMPT_COUNT)
        self.region: str = client.meta.region_name

    def find_limits(self, instance_type: str) -> InstanceLimits:
        """Look up a type in the table, else ask EC2.

        Raises:
            Ec2Error: EC2 does not know it either, or refuses the call.
        """
        try:
            return instance_limits(instance_type)
        except UnknownInstanceType:
            (limits,) = self.ec2.describe_instance_types((instance_type,))
            return limits


def make_client(region: str | None, profile: str | None) -> "EC2Client":
    """Make a boto3 client for EC2. See `Ec2Session`."""
    try:
        import boto3  # noqa: PLC0415 - an extra
        from botocore.exceptions import BotoCoreError, NoRegionError, ProfileNotFound  # noqa: PLC0415 - likewise
    except ModuleNotFoundError:
        raise MissingExtra("reading EC2 needs boto3: pip install 'vpcipam[cli,ec2]'") from None
    from vpcipam.ec2.boto import CLIENT_CONFIG  # noqa: PLC0415 - likewise

    region = region or os.environ.get("AWS_REGION")  # boto3 reads AWS_DEFAULT_REGION only, unlike the AWS CLI and other SDKs
    try:
        return boto3.Session(profile_name=profile, region_name=region).client("ec2", config=CLIENT_CONFIG)
    except NoRegionError:
        raise Ec2Unreachable("no region is set; give --region, or set AWS_REGION or a region in the profile") from None
    except ProfileNotFound as error:
        raise Ec2Unreachable(f"{error}; `aws configure list-profiles` lists them") from None
    except (BotoCoreError, ValueError) as error:
        raise Ec2Unreachable(f"can't set up a client for EC2: {error}; check --region, --profile and ~/.aws/config") from None


_NOT_AUTHENTICATED = "the credentials are not accepted; sign in again (`aws sts get-caller-identity` tells who you are)"
_ADVICE = {
    "NoCredentialsError": "there are no AWS credentials; sign in, or give --profile",
    "PartialCredentialsError": "the AWS credentials are incomplete; give both the key id and the secret key",
    "ProfileNotFound": "`aws configure list-profiles` lists the profiles",
    "EndpointConnectionError": "EC2 can't be reached; check --region and the network",
    "ConnectTimeoutError": "EC2 can't be reached; check the network, and the proxy if there is one",
    "ProxyConnectionError": "the proxy can't be reached; check HTTPS_PROXY",
    "SSLError": "the connection is not trusted; check AWS_CA_BUNDLE and the proxy",
    ErrorCode.REQUEST_TIMEOUT: "EC2 did not answer; try again",
    ErrorCode.REQUEST_LIMIT_EXCEEDED: "EC2 throttles this account's calls; try again in a minute",
    ErrorCode.INSTANCE_NOT_FOUND: "check --instance-id, --region and --profile",
    "InvalidInstanceID.Malformed": "an instance id looks like i-0123456789abcdef0",
    ErrorCode.INSTANCE_TYPE_UNKNOWN: "EC2 showed this type for the instance, but does not list it in this region; try again",
    "OptInRequired": "this account has not turned the region on; check --region",
    **dict.fromkeys(
        (
            "AuthFailure",
            "ExpiredToken",
            "ExpiredTokenException",
            "InvalidClientTokenId",
            "RequestExpired",
            "SignatureDoesNotMatch",
            "SSOTokenLoadError",
            "TokenRetrievalError",
            "UnauthorizedSSOTokenError",
            "CredentialRetrievalError",
        ),
        _NOT_AUTHENTICATED,
    ),
}


def with_advice(error: Ec2Error, region: str) -> Ec2Unreachable:
    """Put EC2's error, and what to do about it, on one line."""
    if error.code == ErrorCode.UNAUTHORIZED:
        advice = f"allow your role ec2:{error.action}; the command only reads"
    else:
        advice = _ADVICE.get(error.code, "")
    return Ec2Unreachable(f"EC2 in {region}: {error}" + (f"; {advice}" if advice else ""))
