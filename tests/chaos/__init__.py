"""Seeded random runs of the core on a clock of its own: `make chaos SEEDS=100`.

Each seed is a run of 60 users by one of the engines, in one process: of any job type, an import of users who exist, an undo, or a
dry run with the same request run for real after it. The core's own code runs; S3, Cognito and SES are objects that answer, fail
and fall silent as the services do, and both engines are small stand-ins: Airflow's retries and clears, and the loop of the state
machine's children. Time is virtual, so an outage of half an hour costs nothing, and a seed gives the same run each time.

    clock.py                            actors on a virtual clock, and the core's modules put on it
    weather.py                          what goes wrong: faults of single calls, and outages
    service.py cognito.py s3.py others.py   the services
    truth.py                            the user pool's users, and who has done what to them
    airflow.py                          tasks, their retries and clears
    state_machine.py child.py functions.py  executions, the children of their Map, and the function
    scene.py                            all of it together, and one run from its request to its end
    requests.py                         what is asked for, and whom the user pool holds
    run.py undo.py dry_run.py two_runs.py   what a seed plays
    judge.py verdicts.py                whether what is reported is true
"""
