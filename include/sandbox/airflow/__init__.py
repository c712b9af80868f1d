"""Real Airflow on this machine, for the demo, the integration tests and the measures.

`stack.AirflowStack` brings up a whole Airflow of its own and takes it down again, `cluster.Cluster` the deployment of
docker-compose.yaml without Docker; everything else here serves them:

    stack.py       AirflowStack: what is started in which order, and what can be done with it
    deployment.py  what the two have in common: components that are sent away, and restarted
    components.py  the command of each component
    readiness.py   when all of them can be used
    settings.py    their environment: airflow.env plus what belongs to one stack alone
    postgres.py    the metadata database, from a Python package
    cluster.py     Cluster: the compose file's services in their order, health checks and all
    containers.py  one of its containers as a process
    compose.py     the compose file as the Compose Specification reads it
    dockerfile.py  what the Dockerfile puts into an image
    redis.py       a Redis server's program
    processes.py   the owner's side of process control
    supervisor.py  the process that holds all others, and ends them whatever happens to the owner
    ports.py       free TCP ports
    rest.py        a small client of Airflow's REST API
"""
