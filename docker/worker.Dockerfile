# An image of fastnet with Dask, for schedulers, workers and the process that leads a search:
#     docker build -f docker/worker.Dockerfile -t fastnet .
FROM python:3.11-slim

WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY fastnet fastnet
COPY cli cli
# All machines must have the same versions of NumPy and Numba: build one image, and use it everywhere.
RUN pip install --no-cache-dir '.[dask]' && rm -rf /source/*

# Workers write compiled kernels here. An image that has them starts faster only on processors like the builder's.
ENV FASTNET_CACHE=/tmp/fastnet
RUN useradd --create-home fastnet
USER fastnet
WORKDIR /home/fastnet

CMD ["dask", "worker", "--help"]
