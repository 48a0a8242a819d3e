# One image for every process of Driftwarden; the command chooses which: worker (default), retrainer, topics apply, ...
FROM python:3.11.14-bookworm AS build

WORKDIR /build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/driftwarden

# Slim images have no C compiler, so the loops over JSON are built in a whole one. Dependencies change less often than the code, so they are a layer of their own.
COPY pyproject.toml requirements.lock README.md LICENSE ./
RUN mkdir --parents detectors/columns detectors/rows retrainer streams/formats \
    && touch detectors/__init__.py retrainer/__init__.py streams/__init__.py detectors/columns/grid_counts.pyx detectors/rows/chain_loops.pyx streams/formats/plain_json.pyx \
    && /opt/driftwarden/bin/pip install --constraint requirements.lock '.[mlflow]' \
    && /opt/driftwarden/bin/pip uninstall --yes driftwarden \
    && rm -rf build detectors retrainer streams

COPY detectors detectors
COPY retrainer retrainer
COPY streams streams
RUN /opt/driftwarden/bin/pip install --no-deps .

FROM python:3.11.14-slim-bookworm

# A number, because an orchestrator that asks for "not root" cannot look names up. The volumes' folders are made here so that new volumes belong to this user.
RUN groupadd --gid 10001 driftwarden \
    && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin driftwarden \
    && install --directory --owner 10001 --group 10001 /var/lib/driftwarden /var/lib/driftwarden/models /var/lib/driftwarden/datasets

COPY --from=build /opt/driftwarden /opt/driftwarden
COPY docker/healthy.py /opt/driftwarden/bin/driftwarden-healthy

ENV PATH=/opt/driftwarden/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DRIFTWARDEN_REGISTRY=/var/lib/driftwarden/models \
    DRIFTWARDEN_DATASETS=/var/lib/driftwarden/datasets
WORKDIR /var/lib/driftwarden
USER 10001:10001

HEALTHCHECK --interval=30s --timeout=15s --start-period=30s --retries=3 CMD ["python", "/opt/driftwarden/bin/driftwarden-healthy"]

ENTRYPOINT ["driftwarden"]
CMD ["worker"]
