# The images of docker-compose.yaml: `airflow` for all of Airflow's components, `local-aws` for the profile of that name.

# Slim: Airflow without the providers of other clouds, whose pins the lock below would break.
FROM apache/airflow:slim-3.3.2-python3.11 AS airflow
# Exactly what was tested: every version of the lock, Airflow's own among them.
COPY --chown=airflow:0 requirements-image.lock /opt/airflow/
RUN pip install --no-cache-dir --requirement /opt/airflow/requirements-image.lock
COPY --chown=airflow:0 dags /opt/airflow/dags
COPY --chown=airflow:0 plugins /opt/airflow/plugins
COPY --chown=airflow:0 include/pools.json /opt/airflow/include/pools.json
COPY --chown=airflow:0 include/docker /opt/airflow/include/docker
COPY --chown=airflow:0 include/demo/__init__.py include/demo/resources.py /opt/airflow/include/demo/
# Bytecode is made once, here, and not at the start of every container.
RUN python -m compileall -q /opt/airflow/plugins
USER airflow

FROM python:3.11-slim-bookworm AS local-aws
COPY include/sandbox/aws/requirements.txt /opt/local-aws/
RUN pip install --no-cache-dir --requirement /opt/local-aws/requirements.txt
COPY include/sandbox/__init__.py /opt/local-aws/sandbox/
COPY include/sandbox/aws /opt/local-aws/sandbox/aws
RUN useradd --create-home local-aws
USER local-aws
CMD ["python", "/opt/local-aws/sandbox/aws/launcher.py", "--keep"]
