# ByteGPT's web or worker process: `docker run … bytegpt web`, `docker run … bytegpt worker`. Redis stands elsewhere.

FROM python:3.13-slim AS build
WORKDIR /src
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
COPY constraints.txt ./
# What builds the wheel, by its hash; the service itself does not need it.
RUN awk '/^[a-z]/ { keep = /^setuptools==/ } keep' constraints.txt > build.txt \
 && python -m venv /build \
 && /build/bin/pip install --require-hashes --requirement build.txt
COPY deploy/constraints.txt deploy/
RUN python -m venv /opt/bytegpt \
 && /opt/bytegpt/bin/pip install --require-hashes --requirement deploy/constraints.txt
COPY pyproject.toml README.md LICENSE ./
COPY app app
COPY config config
COPY docs/errors docs/errors
COPY sandbox sandbox
COPY widget widget
COPY workers workers
RUN /build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
 && /opt/bytegpt/bin/pip install --no-deps /wheels/bytegpt-*.whl \
 && /opt/bytegpt/bin/pip check

FROM python:3.13-slim
RUN useradd --system --no-create-home --shell /usr/sbin/nologin bytegpt
COPY --from=build /opt/bytegpt /opt/bytegpt
ENV PATH=/opt/bytegpt/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 BIND=0.0.0.0 PORT=8000
USER bytegpt
WORKDIR /tmp
EXPOSE 8000
# bytegpt ends in order on SIGTERM: give a worker `--stop-timeout 140`, web needs 20.
STOPSIGNAL SIGTERM
CMD ["bytegpt", "web"]
