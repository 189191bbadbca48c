# The server as an image. docker-compose.yml shows what it can be put together with.

FROM rust:1.95-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends cmake && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN cargo build --release --locked

FROM debian:bookworm-slim
# Certificates for AWS; curl for the health check.
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates curl && rm -rf /var/lib/apt/lists/*
RUN useradd --system --create-home --home-dir /var/lib/lakewire lakewire
COPY --from=build /src/target/release/lakewire /usr/local/bin/lakewire
USER lakewire
ENV LAKEWIRE_DATA_DIR=/var/lib/lakewire \
    LAKEWIRE_PG_LISTEN=0.0.0.0:5433 \
    LAKEWIRE_HTTP_LISTEN=0.0.0.0:8433
VOLUME /var/lib/lakewire
EXPOSE 5433 8433
HEALTHCHECK --interval=5s --start-period=10s CMD ["curl", "--fail", "--silent", "http://127.0.0.1:8433/readyz"]
ENTRYPOINT ["lakewire"]
CMD ["serve"]
