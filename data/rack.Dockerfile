# The rack's one image: its own binaries, HAProxy and the registry. The first layer changes only
# with this file, so an update copies the binaries and nothing else; HAProxy keeps running then.
FROM debian:bookworm-slim
RUN apt-get update -q && apt-get install -qy --no-install-recommends \
	ca-certificates openssl haproxy docker-registry \
	libarchive13 libcurl4 libglib2.0-0 libjansson4 libmicrohttpd12 libsmartcols1 libsqlite3-0 \
	libwslay1 libyaml-0-2 && rm -rf /var/lib/apt/lists/* /usr/share/doc/* /var/log/*.log
COPY rack /
CMD ["carrackd"]
