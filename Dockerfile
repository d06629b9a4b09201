# docker build --tag keyclash .        podman and buildah take it too; where a package index of your own is to be used:
# docker build --tag keyclash --secret id=pip,src=$HOME/.config/pip/pip.conf .
# It runs as a user without a name and needs no writable file system: docker run --read-only ...
ARG PYTHON=3.11

# The one with a C compiler.
FROM python:${PYTHON}-bookworm AS build
WORKDIR /source
COPY requirements.lock ./
# Every package with its hash, into a directory that has no pip of its own.
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    python -m venv --without-pip /opt/keyclash \
    && python -m pip --python /opt/keyclash install --no-cache-dir --no-deps --require-hashes --requirement requirements.lock
COPY pyproject.toml setup.py README.md ./
COPY proxy proxy
RUN KEYCLASH_COMPILE=1 python -m pip --python /opt/keyclash install --no-cache-dir --no-deps --no-build-isolation --no-index . \
    && python -m pip --python /opt/keyclash uninstall --yes setuptools

FROM python:${PYTHON}-slim-bookworm
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Keyclash" \
      org.opencontainers.image.description="A MySQL proxy that sees, counts, explains and resolves duplicate-key errors" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV PATH=/opt/keyclash/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
COPY --from=build /opt/keyclash /opt/keyclash
COPY config/image/ /etc/keyclash/
# By number, so that Kubernetes can see that it is not root.
USER 65532:65532
EXPOSE 3306 9104
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s \
    CMD ["python", "-c", "from http.client import HTTPConnection as C; c = C('127.0.0.1', 9104, timeout=2); c.request('GET', '/-/healthy'); raise SystemExit(c.getresponse().status != 200)"]
# In this form Keyclash is process 1 itself, and SIGTERM reaches it.
ENTRYPOINT ["keyclash"]
CMD ["serve", "--config", "/etc/keyclash/proxy.yaml"]
