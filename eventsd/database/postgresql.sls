# -*- coding: utf-8 -*-
# vim: ft=sls

{%- set tplroot = tpldir.split('/')[0] %}
{%- from tplroot ~ '/map.jinja' import mapdata with context %}
{%- set worker = mapdata.database %}
{%- set password = worker.password %}
{%- if password.startswith('sdb://') %}
{%-   set password = salt['sdb.get'](password) %}
{%- endif %}

eventsd-database-postgresql-postgres-user-present:
  postgres_user.present:
    - name: {{ worker.user | yaml_dquote }}
    - password: {{ password | yaml_dquote }}
    - login: true
    - user: postgres

eventsd-database-postgresql-postgres-database-present:
  postgres_database.present:
    - name: {{ worker.database | yaml_dquote }}
    - owner: {{ worker.user | yaml_dquote }}
    - encoding: UTF8
    - template: template0
    - user: postgres
    - require:
      - postgres_user: eventsd-database-postgresql-postgres-user-present

# The owner of a database may all the same not make tables in it, since PostgreSQL 15, unless public is its own, too.
eventsd-database-postgresql-postgres-privileges-present:
  postgres_privileges.present:
    - name: {{ worker.user | yaml_dquote }}
    - object_name: public
    - object_type: schema
    - privileges:
      - CREATE
      - USAGE
    - maintenance_db: {{ worker.database | yaml_dquote }}
    - user: postgres
    - require:
      - postgres_database: eventsd-database-postgresql-postgres-database-present
