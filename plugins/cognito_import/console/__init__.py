"""A page in Airflow's UI: lists are checked and started there, and runs watched. `app` says what it is made of."""
