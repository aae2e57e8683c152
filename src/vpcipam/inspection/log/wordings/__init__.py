"""What ipamd and its plugin write, by release: a table a subject, as text."""
