"""Reading a scenario from TOML, with errors that name the table, the key and the fix."""
