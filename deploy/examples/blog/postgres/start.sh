#!/bin/sh
# PostgreSQL for one application: makes the database cluster when the volume is empty, then serves it, and gives the
# application's role the password that stands in the mounted Secret: at the start and whenever the file changes.
set -eu

PATH=$(echo /usr/lib/postgresql/*/bin):$PATH
password_file=/run/secrets/database/password

if [ ! -e "$PGDATA/PG_VERSION" ]; then
  # An attempt that was cut short has left no version; what it did leave is in the way.
  rm -rf "$PGDATA.new"
  initdb --pgdata="$PGDATA.new" --username=postgres --auth=peer --encoding=UTF8 --no-locale --no-instructions
  # The superuser is whoever is in the container; everybody else comes over the network with a password.
  echo "host all all all scram-sha-256" >>"$PGDATA.new/pg_hba.conf"
  mv "$PGDATA.new" "$PGDATA"
fi

# fsGroup opens every file of the volume to its group; PostgreSQL serves no folder that others can write.
chmod 700 "$PGDATA"

postgres -D "$PGDATA" -c listen_addresses='*' -c unix_socket_directories=/run/postgresql \
  -c shared_buffers=32MB -c max_connections=60 -c jit=off &
server=$!
# SIGINT is PostgreSQL's fast shutdown: clients are cut off, and nothing that was committed is lost.
trap 'kill -INT "$server"' TERM INT

# psql reads the file itself: the password is on no command line and in no log.
set_password() {
  psql --quiet --no-psqlrc --host=/run/postgresql --username=postgres --dbname=postgres --set=ON_ERROR_STOP=1 <<'SQL'
\set password `cat /run/secrets/database/password`
select not exists (select from pg_roles where rolname = 'blog') as fresh \gset
\if :fresh
create role blog login;
\endif
set password_encryption = 'scram-sha-256';
alter role blog password :'password';
select not exists (select from pg_database where datname = 'blog') as fresh \gset
\if :fresh
create database blog owner blog;
\endif
SQL
}

known=
while kill -0 "$server" 2>/dev/null; do
  now=$(sha256sum <"$password_file")
  if [ "$now" != "$known" ] && pg_isready --quiet --host=/run/postgresql && set_password; then
    known=$now
    echo "the role blog has the password of $password_file"
  fi
  # A wait that a signal interrupts, which a plain sleep would not be.
  sleep 1 &
  wait $! || true
done
wait "$server"
