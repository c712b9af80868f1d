"""The AWS that the demo, the tests and the bench run on: one local process, no account and no Docker.

`launcher.py` is that process; it runs in a virtualenv of its own (`requirements.txt`). `process.py` starts
and stops it from the product's own virtualenv and needs only the standard library.
"""
