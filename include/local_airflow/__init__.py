"""Real Airflow on this machine, for the demo, the integration tests and the measures.

`stack.AirflowStack` brings up a whole Airflow of its own and takes it down again; everything else here serves it:

    stack.py       AirflowStack: what is started in which order, and what can be done with it
    components.py  the command of each component
    readiness.py   when all of them can be used
    settings.py    their environment: airflow.env plus what belongs to one stack alone
    postgres.py    the metadata database, from a Python package
    processes.py   the owner's side of process control
    warden.py      the process that holds all others, and ends them whatever happens to the owner
    ports.py       free TCP ports
    rest.py        a small client of Airflow's REST API
"""
