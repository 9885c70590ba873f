FROM rust:1.94-bookworm AS build
WORKDIR /source
COPY . .
RUN cargo build --release --locked --bin keyward
RUN .ci/image-tree target/release/keyward /image && .ci/sbom /image/usr/share/sbom/keyward.cdx.json /image

FROM scratch
COPY --from=build /image /
USER 65532:65532
WORKDIR /var/lib/keyward
EXPOSE 50051 9464
ENTRYPOINT ["/usr/bin/keyward"]
CMD ["serve"]
