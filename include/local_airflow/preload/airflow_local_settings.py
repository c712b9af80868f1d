"""Imports once, in the processes that fork tasks, what every task would import again in its own process.

Airflow imports a module of this name at the start of each of its programs, from `$AIRFLOW_HOME/config` or the Python path. The
scheduler (LocalExecutor) and the Celery workers fork one process for each task; what they have imported themselves costs a
task nothing, in time and in memory. Twenty tasks that start at once on two cores all run after half the time.

Nothing here changes what a task does; without this file it only starts later.
"""

import sys

# The word after `airflow` on the command line. Other programs fork no tasks and would only start later.
if {"scheduler", "celery"} & set(sys.argv[1:2]):
    # What supervises a task and runs it, what a DAG file with @task functions imports, and what the tasks of the import do.
    import airflow.dag_processing.dagbag
    import airflow.providers.amazon.aws.hooks.base_aws
    import airflow.providers.standard.decorators.python
    import airflow.sdk.api.client
    import airflow.sdk.definitions.asset.metadata
    import airflow.sdk.execution_time.supervisor
    import airflow.sdk.execution_time.task_runner
    import boto3.s3.inject
    import jinja2.ext

    # The first client reads the machine's certificates, plain HTTP or not, and keeps them for those that follow.
    airflow.sdk.api.client.Client(base_url="http://127.0.0.1", token="").close()

    del airflow, boto3, jinja2

del sys
