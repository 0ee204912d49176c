# A static binary, and nothing else.
#
#   docker build --build-arg VERSION="$(git describe --tags --always)" -t sqlpushgateway .

FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=unknown
RUN make build VERSION="$VERSION" && mkdir /empty

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /src/bin/sqlpushgateway /bin/sqlpushgateway
# Where the SQLite file is, unless DATABASE_URL names a database.
COPY --from=build --chown=65534:65534 /empty /data
USER 65534:65534
EXPOSE 9091
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["/bin/sqlpushgateway", "healthcheck"]
ENTRYPOINT ["/bin/sqlpushgateway"]
