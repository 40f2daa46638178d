-- Runs once, on the empty server: the service's role owns its database and nothing else, and
-- nobody can sign in as the superuser over the network.
\getenv password POSTGRES_PASSWORD
CREATE ROLE platform LOGIN PASSWORD :'password';
CREATE DATABASE platform OWNER platform;
ALTER ROLE postgres PASSWORD NULL;
