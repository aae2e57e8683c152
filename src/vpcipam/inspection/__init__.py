"""Read a real node, survey what its pods can use, and audit it by the rules of EC2 and ipamd."""
