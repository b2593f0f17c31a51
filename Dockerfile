# The image of a worker and of the console: `docker build -t wooshq .`. Other commands run in it too: `docker run wooshq doctor`.
FROM python:3.12-slim AS build
WORKDIR /src
RUN python -m venv /opt/wooshq
COPY requirements/worker.txt requirements/worker.txt
RUN /opt/wooshq/bin/pip install --no-cache-dir --require-hashes -r requirements/worker.txt
COPY pyproject.toml README.md LICENSE ./
COPY schemas schemas
COPY tasks tasks
COPY worker worker
RUN /opt/wooshq/bin/pip install --no-cache-dir --no-deps .

FROM python:3.12-slim
RUN useradd --uid 10001 --create-home --home-dir /var/lib/wooshq wooshq
COPY --from=build /opt/wooshq /opt/wooshq
ENV PATH=/opt/wooshq/bin:$PATH PYTHONUNBUFFERED=1 WOOSHQ_DATA_DIR=/var/lib/wooshq/data
USER wooshq
WORKDIR /var/lib/wooshq
# Is this worker live? It needs no Redis: a restart of the worker would not bring back a Redis that is down. `wooshq health --ready` asks for that, too.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 CMD ["wooshq", "health"]
ENTRYPOINT ["wooshq"]
CMD ["worker"]
