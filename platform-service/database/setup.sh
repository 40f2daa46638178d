#!/usr/bin/env bash
# Wait for PostgreSQL on its socket, then run setup.sql as its superuser.
set -euo pipefail

tries=0
until pg_isready --quiet || [[ $((tries += 1)) -gt 100 ]]; do sleep 0.1; done

export PGOPTIONS='-c log_min_error_statement=panic' # no log line shows the password
exec psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username=postgres --file=/inkwell/setup.sql
