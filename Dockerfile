# Concordat in two stages: built with the compiler, shipped without it. One image for the coordinator, the sidecars and the CLI.
FROM node:24-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY proto ./proto
COPY scripts ./scripts
COPY src ./src
COPY tsconfig.json tsconfig.build.json ./
RUN npm run build && npm prune --omit=dev --ignore-scripts

FROM node:24-bookworm-slim
ENV NODE_ENV=production
WORKDIR /opt/concordat
COPY --from=build /build/node_modules ./node_modules
COPY --from=build /build/dist ./dist
COPY package.json LICENSE CHANGELOG.md ./
COPY proto ./proto
COPY bin ./bin
RUN ln -s /opt/concordat/bin/concordat.mjs /usr/local/bin/concordat \
 && mkdir -p /var/lib/concordat && chown node:node /var/lib/concordat && chmod 700 /var/lib/concordat
USER node
VOLUME /var/lib/concordat
# 7420: gRPC; 7421: health over HTTP.
EXPOSE 7420 7421
# Right for the coordinator, the default command; a sidecar overrides it, as compose.yaml shows.
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:7421/readyz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "/opt/concordat/bin/concordat.mjs"]
CMD ["coordinator", "--data-dir", "/var/lib/concordat", "--listen", "0.0.0.0:7420", "--admin-listen", "0.0.0.0:7421", "--insecure"]
