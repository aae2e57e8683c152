"""EC2 and the instance metadata service over HTTP, answered by an `Ec2Model`: `vpcipam serve`.

It needs the extra `[serve]` (Starlette, uvicorn, boto3). `endpoint` and `metadata` know nothing of HTTP servers; `app` makes an ASGI
application of them.
"""

import importlib

from vpcipam.errors import MissingExtra

try:
    for _package in ("uvicorn", "starlette", "botocore"):
        importlib.import_module(_package)
except ImportError as error:
    raise MissingExtra(f"serving EC2 needs the package {error.name}: pip install 'vpcipam[serve]'") from None
