# fourpass as a service: slim, not root, fit for a read-only root file system.
#
#   docker build -t fourpass .
#   docker run --read-only --tmpfs /tmp -p 127.0.0.1:8000:8000 -e FOURPASS_TOKEN=a-long-secret fourpass
FROM python:3.11-slim

RUN useradd --system --uid 10001 --no-create-home fourpass
WORKDIR /opt/fourpass
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
COPY recipes ./recipes
# The same command as `make demo`, with the server's extra.
# hadolint ignore=DL3013
RUN pip install --no-cache-dir '.[serve]'

ENV HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
ENTRYPOINT ["fourpass"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
