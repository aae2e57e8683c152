"""Fuzzing guided by coverage: whatever reads foreign text or bytes, and the compiled pools beside the plain ones.

`make fuzz` runs it. `targets` lists the targets, `tests/fuzz_corpus/` has their inputs, which the suite replays without atheris.
"""
