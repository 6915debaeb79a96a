# The production image: API, back office, worker and migrations; PostgreSQL and Valkey are elsewhere.
#   docker build -t souk .
#   docker run --env-file production.env souk migrate && docker run --env-file production.env -p 8000:8000 souk
#   docker run --env-file production.env --no-healthcheck souk worker
FROM python:3.11-slim AS build
WORKDIR /build
COPY pyproject.toml requirements.lock README.md ./
COPY app app
COPY admin admin
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir --constraint requirements.lock . && /venv/bin/pip uninstall --yes souk

FROM python:3.11-slim
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 ENVIRONMENT=production HOST=0.0.0.0 PORT=8000
RUN useradd --system --uid 10001 --home-dir /srv souk
COPY --from=build /venv /venv
WORKDIR /srv
COPY app app
COPY admin admin
COPY migrations migrations
COPY email_templates email_templates
USER souk
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/health')"]
ENTRYPOINT ["python", "-m", "app"]
CMD ["serve"]
