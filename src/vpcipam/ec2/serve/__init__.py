"""EC2 and the instance metadata service over HTTP, answered by an `Ec2Model`: `vpcipam serve`.

It needs the extra `[serve]` (Starlette, uvicorn, boto3). `endpoint` and `metadata` know nothing of HTTP servers; `app` makes an ASGI
application of them.
"""
