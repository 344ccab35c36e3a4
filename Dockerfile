FROM python:3.11.13-slim-bookworm AS build
WORKDIR /build
RUN python -m venv /opt/watchkeeper
# The locked dependencies first: they change less often than the code and stay in a layer of their own.
COPY requirements.txt ./
RUN /opt/watchkeeper/bin/pip install --no-cache-dir --require-hashes --requirement requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY schemas schemas
COPY detectors detectors
COPY consumers consumers
COPY alerts alerts
COPY watchkeeper watchkeeper
RUN /opt/watchkeeper/bin/pip install --no-cache-dir --no-deps .

FROM python:3.11.13-slim-bookworm
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin watchkeeper
COPY --from=build /opt/watchkeeper /opt/watchkeeper
ENV PATH=/opt/watchkeeper/bin:$PATH PYTHONUNBUFFERED=1
USER watchkeeper
EXPOSE 9464
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen(\"http://127.0.0.1:9464/healthz\", timeout=4)"]
ENTRYPOINT ["watchkeeper"]
CMD ["run", "--config", "/etc/watchkeeper/watchkeeper.yaml", "--metrics-address", "0.0.0.0:9464"]
