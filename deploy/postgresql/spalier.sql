-- Role and database of one node, for PostgreSQL 15 and newer. As its administrator:
--
--   sudo -u postgres psql --set=name=spalier-NAME --file=deploy/postgresql/spalier.sql
--
-- The role is called like the account that the node runs as, so that on one machine
-- nobody needs a password (Debian: "local all all peer"):
--
--   postgresql+psycopg://spalier-NAME@/spalier-NAME?host=/run/postgresql
--
-- With the database on another machine set one (psql: \password spalier-NAME), demand
-- TLS in pg_hba.conf (hostssl … scram-sha-256) and append ?sslmode=verify-full to
-- postgresql+psycopg://spalier-NAME:PASSWORD@HOST/spalier-NAME
\set ON_ERROR_STOP on

-- 12 connections for each process at the most (serve, worker), and some for commands.
CREATE ROLE :"name" LOGIN
    NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS
    CONNECTION LIMIT 60;

-- C: sorted alike on every machine, so an update of the system breaks no index.
CREATE DATABASE :"name" TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C';

-- Nodes of other clusters may share the server: nobody else gets in. The role can make
-- tables, and schemas in which a restore prepares them, but not remove its database.
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
GRANT CONNECT, CREATE, TEMPORARY ON DATABASE :"name" TO :"name";

-- What is acknowledged to a partner is on disk, whatever the server's own setting.
ALTER DATABASE :"name" SET synchronous_commit = 'on';
-- Above the 300 s that the node gives to the import of the largest file.
ALTER DATABASE :"name" SET statement_timeout = '330s';
-- A process that hangs in a transaction would hold its rows for ever.
ALTER DATABASE :"name" SET idle_in_transaction_session_timeout = '120s';
ALTER DATABASE :"name" SET lock_timeout = '60s';
ALTER DATABASE :"name" SET timezone = 'UTC';

\connect :"name"

REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO :"name";
