"""What a real node has: read from where it shows, seen as the library sees it, and held against the rules of EC2 and ipamd."""
