-- Makes the role auditor, which reads the groups, the history and the views, and
-- writes nothing. Run it on the gateway's database, as a superuser or as the owner
-- of its tables with CREATEROLE, once a gateway has made these:
--
--   psql -v password=SECRET -f auditor.sql postgres://postgres@db.example.org/pushgateway
--
-- It can be run again, to change the password, or after tables were restored from
-- a dump. DROP OWNED BY auditor; DROP ROLE auditor; undoes it.

\set ON_ERROR_STOP on
\if :{?password}
\else
DO $$ BEGIN RAISE EXCEPTION 'no password for the role auditor: add -v password=SECRET'; END $$;
\endif

BEGIN;

SELECT n.nspname AS schema, pg_get_userbyid(c.relowner) AS owner
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = 'push_group'::regclass \gset

SELECT 'CREATE ROLE auditor' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'auditor') \gexec
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'auditor'
               AND (rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls)) THEN
        RAISE EXCEPTION 'the role auditor has other rights already: rename it first';
    END IF;
END $$;
ALTER ROLE auditor LOGIN PASSWORD :'password';

-- A long transaction keeps PostgreSQL from cleaning up behind pushes. Compiling
-- the plan of a query of many partitions takes longer than to run it.
SELECT format('ALTER ROLE auditor IN DATABASE %I SET %s', current_database(), setting)
FROM unnest(ARRAY[
    'default_transaction_read_only = on',
    'statement_timeout = ''1min''',
    'idle_in_transaction_session_timeout = ''1min''',
    'jit = off',
    format('search_path = %I', :'schema')]) setting \gexec

-- Until PostgreSQL 14 everybody may make tables and functions in public, and
-- perhaps the gateway's owner only therefore.
SELECT unnest(ARRAY[
    format('GRANT CREATE ON SCHEMA %I TO %I', :'schema', :'owner'),
    format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC', :'schema')])
WHERE has_schema_privilege('auditor', :'schema', 'CREATE') \gexec

REVOKE ALL ON ALL TABLES IN SCHEMA :"schema" FROM auditor;
SELECT format('GRANT CONNECT ON DATABASE %I TO auditor', current_database()) \gexec
GRANT USAGE ON SCHEMA :"schema" TO auditor;
GRANT SELECT ON current_samples, job_runs, failed_runs, overdue_jobs, rejected_pushes, push_group, push_history TO auditor;
-- The partitions of the history that there are, and those to come.
SELECT format('GRANT SELECT ON %s TO auditor', inhrelid::regclass)
FROM pg_inherits WHERE inhparent = 'push_history'::regclass \gexec
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA :"schema" GRANT SELECT ON TABLES TO auditor;

COMMIT;
