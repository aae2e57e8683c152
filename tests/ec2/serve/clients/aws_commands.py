"""Run commands of the AWS CLI in one process: a JSON list of words from stdin, a JSON list of [exit code, output] to stdout."""

import contextlib
import io
import json
import sys

from awscli.clidriver import create_clidriver

driver = create_clidriver()
results = []
for words in json.load(sys.stdin):
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            code = driver.main(words)
        except SystemExit as error:
            code = error.code
    results.append([code, out.getvalue()])
    if "modify-network-interface-attribute" in words:
        driver = create_clidriver()  # this command leaves a handler behind, which breaks the next commands
json.dump(results, sys.stdout)
