"""An AWS and an Airflow to run on: for the demo, the tests and the benches, never for the product."""
