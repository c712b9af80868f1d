"""The command line: a request is run on the spot, in threads of one process, without Airflow."""
