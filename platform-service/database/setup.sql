-- Make the role and the database that are missing, and set the role's password. Runs at each start.
\set password `cat /secrets/database/password`

SELECT 'CREATE ROLE platform LOGIN'
  WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'platform') \gexec
ALTER ROLE platform PASSWORD :'password';

SELECT 'CREATE DATABASE platform OWNER platform'
  WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'platform') \gexec

ALTER ROLE postgres PASSWORD NULL; -- the superuser signs in through the socket only
