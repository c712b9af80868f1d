"""An import to look at: what `make demo`, `make up`, the integration tests and the benchmark start from."""
