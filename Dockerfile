# docker build -t impasto .                          runs on the CPU
# docker build -t impasto --build-arg DEVICE=cuda .  runs on an NVIDIA GPU (docker run --gpus all)
# docker run -p 7860:7860 impasto                    the log names the address with an invite

ARG DEVICE=cpu
# What everything is built from. A tag may move: docs/security.md says how to name each by its digest.
ARG NODE_IMAGE=node:24-bookworm-slim
ARG RUST_IMAGE=rust:1.95-bookworm
ARG DEBIAN_IMAGE=debian:bookworm-slim
ARG CUDA_BUILD_IMAGE=nvidia/cuda:12.6.3-devel-ubuntu24.04
ARG CUDA_RUN_IMAGE=nvidia/cuda:12.6.3-runtime-ubuntu24.04

FROM ${NODE_IMAGE} AS web
WORKDIR /impasto/web
COPY web/package.json web/package-lock.json ./
RUN npm ci
COPY web ./
RUN npm run build

FROM ${RUST_IMAGE} AS toolchain-cpu
ENV IMPASTO_FEATURES=""

FROM ${CUDA_BUILD_IMAGE} AS toolchain-cuda
ENV IMPASTO_FEATURES="cuda" RUSTUP_HOME=/usr/local/rustup CARGO_HOME=/usr/local/cargo
ENV PATH="/usr/local/cargo/bin:${PATH}"
# Compute capability that kernels are compiled for: 80 (A100), 86, 89 (RTX 40), 90 (H100).
ARG CUDA_COMPUTE_CAP=80
ENV CUDA_COMPUTE_CAP=${CUDA_COMPUTE_CAP}
RUN apt-get update \
    && apt-get install -y --no-install-recommends build-essential ca-certificates pkg-config \
    && rm -rf /var/lib/apt/lists/*
# The toolchain of the official image: no script of the network is run.
COPY --from=toolchain-cpu /usr/local/rustup /usr/local/rustup
COPY --from=toolchain-cpu /usr/local/cargo /usr/local/cargo

FROM toolchain-${DEVICE} AS build
WORKDIR /impasto
COPY . .
COPY --from=web /impasto/web/dist ./web/dist
# There is no Node here: the web app above is taken as it is.
ENV IMPASTO_SKIP_WEB=1
RUN cargo build --release --locked --features "${IMPASTO_FEATURES}"

FROM ${DEBIAN_IMAGE} AS runtime-cpu
FROM ${CUDA_RUN_IMAGE} AS runtime-cuda

FROM runtime-${DEVICE}
ARG DEVICE
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates curl \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --create-home --home-dir /var/lib/impasto --uid 10001 impasto \
    && install -d -o impasto /var/lib/impasto/rooms
COPY --from=build /impasto/target/release/impasto /usr/local/bin/impasto
COPY models /usr/local/bin/models
COPY LICENSE-MIT LICENSE-APACHE /usr/share/doc/impasto/
USER 10001
WORKDIR /var/lib/impasto
# Listening on all addresses of the container, rooms need an invite (--auth auto).
ENV IMPASTO_LISTEN=0.0.0.0:7860 IMPASTO_DEVICE=${DEVICE} IMPASTO_MODELS=/var/lib/impasto/models IMPASTO_DATA=/var/lib/impasto/rooms
# Rooms outlive the container where a volume holds them.
VOLUME /var/lib/impasto/rooms
EXPOSE 7860
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD ["curl", "-fsS", "-o", "/dev/null", "http://127.0.0.1:7860/readyz"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["impasto"]
CMD ["serve"]
