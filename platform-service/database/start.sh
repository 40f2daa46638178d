#!/usr/bin/env bash
# Make the data folder if there is none, then become PostgreSQL.
set -euo pipefail

trap exit INT # a container's first process ignores every signal that it does not catch

# The folder is made under another name, so that an interrupted first start begins again.
if [[ ! -e $PGDATA ]]; then
  unfinished=/var/lib/postgresql/unfinished
  rm -rf "$unfinished"
  initdb --pgdata="$unfinished" --no-instructions \
    --auth-local=trust --auth-host=scram-sha-256 \
    --locale-provider=builtin --builtin-locale=C.UTF-8 --encoding=UTF8
  echo 'host all all all scram-sha-256' >>"$unfinished/pg_hba.conf"
  mkdir -p "$(dirname "$PGDATA")"
  mv "$unfinished" "$PGDATA"
  sync "$(dirname "$PGDATA")" /var/lib/postgresql
fi

# A file that an operator removes when the disk is full, so that PostgreSQL can start again. It is not
# made on a disk that is nearly full.
reserve=/var/lib/postgresql/reserve
if [[ ! -e $reserve && $(df --output=avail --block-size=1M /var/lib/postgresql | tail -1) -gt 640 ]]; then
  fallocate --length 64M "$reserve" || rm -f "$reserve"
fi

exec postgres -c listen_addresses='*'
