#!/bin/sh
# Starts PostgreSQL as the user that the container has, on the volume at PGDATA_VOLUME.
# Needs DB_PASSWORD; the superuser and the database are called `guestbook`.
# Nothing outside the volume is written, so the root file system may be read-only.
set -eu

: "${DB_PASSWORD:?DB_PASSWORD is not set: give it to the service as a secret}"
volume="${PGDATA_VOLUME:-/var/lib/postgresql/data}"
data="$volume/pgdata"
fresh="$volume/pgdata.new"
set -- /usr/lib/postgresql/*/bin
bin="$1"

# A database is made beside its place and moved there when it is whole, so a start that is cut off begins again.
if [ ! -s "$data/PG_VERSION" ]; then
    rm -rf "$fresh"
    printf '%s\n' "$DB_PASSWORD" | "$bin/initdb" --pgdata="$fresh" --username=guestbook --pwfile=/dev/stdin \
        --auth=scram-sha-256 --encoding=UTF8 --locale=C
    echo 'CREATE DATABASE guestbook' | "$bin/postgres" --single -D "$fresh" -c jit=off postgres
    echo 'host all all all scram-sha-256' >> "$fresh/pg_hba.conf"
    mv "$fresh" "$data"
fi
unset DB_PASSWORD

# No Unix socket: its directory would have to be writable. No just-in-time compiler: the image leaves it out.
exec "$bin/postgres" -D "$data" -c listen_addresses='*' -c unix_socket_directories='' -c jit=off -c shared_buffers=32MB \
    -c min_wal_size=32MB -c max_wal_size=64MB
