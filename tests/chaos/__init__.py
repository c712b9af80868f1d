"""Seeded random runs of the core on a clock of its own: `make chaos SEEDS=100`.

Each seed is an import or a deletion of 60 users by one of the engines, in one process. The core's own code runs; S3,
Cognito and SES are objects that answer, fail and fall silent as the services do, and both engines are small stand-ins:
Airflow's retries and clears, and the loop of the state machine's children. Time is virtual, so an outage of half an hour
costs nothing, and a seed gives the same run each time.

    clock.py      actors on a virtual clock, and the core's modules put on it
    weather.py    what goes wrong: faults of single calls, and outages
    services.py   the user pool, S3 and the rest
    engines.py    Airflow and Step Functions
    judge.py      whether what is reported is true
    run.py        one seed from its request to its end
"""
