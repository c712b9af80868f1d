"""A package, so that what its fixtures start is stopped after its last test and not at the end of all."""
