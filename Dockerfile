# Concordat in two stages: built with the compiler, shipped without it. One image for the coordinator, the sidecars and the CLI.
FROM node:24-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY proto ./proto
COPY scripts ./scripts
COPY src ./src
COPY tsconfig.json tsconfig.build.json ./
# Of SQLite only what this machine runs is kept: the package holds it for eight.
RUN npm run build && npm prune --omit=dev --ignore-scripts \
 && find dist -name '*.d.ts' -delete \
 && cd node_modules/better-sqlite3 && rm -rf deps src && cd prebuilds \
 && find . -type f ! -name "linux-$(node -p process.arch).node" -delete

# Debian's smallest with the Node of the first stage and nothing of npm: less to fetch, and less to watch over.
FROM debian:bookworm-slim
ENV NODE_ENV=production
COPY --from=build /usr/local/bin/node /usr/local/bin/node
WORKDIR /opt/concordat
COPY --from=build /build/node_modules ./node_modules
COPY --from=build /build/dist ./dist
COPY package.json LICENSE CHANGELOG.md ./
COPY proto ./proto
COPY bin ./bin
COPY examples/unary-client.mjs ./examples/
RUN ln -s /opt/concordat/bin/concordat.mjs /usr/local/bin/concordat \
 && useradd --system --uid 7420 --no-create-home --shell /usr/sbin/nologin concordat \
 && mkdir -p /var/lib/concordat && chown concordat:concordat /var/lib/concordat && chmod 700 /var/lib/concordat
# By number, so that a cluster which admits no root sees that it is none.
USER 7420
VOLUME /var/lib/concordat
# 7420: gRPC; 7421: health over HTTP.
EXPOSE 7420 7421
# Right for the coordinator, the default command; a sidecar overrides it, as compose.yaml shows.
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s CMD ["/opt/concordat/bin/ready"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "/opt/concordat/bin/concordat.mjs"]
CMD ["coordinator", "--data-dir", "/var/lib/concordat", "--listen", "0.0.0.0:7420", "--admin-listen", "0.0.0.0:7421", "--insecure"]
