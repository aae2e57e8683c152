"""The server side of the offline boto3 client in `vpcipam.ec2.fake`: it parses EC2 requests and formats EC2 answers."""

from vpcipam.errors import MissingExtra

try:
    import botocore  # noqa: F401 - only to say here what is missing
except ImportError:
    raise MissingExtra("answering calls as EC2 does needs boto3: pip install 'vpcipam[ec2]'") from None
