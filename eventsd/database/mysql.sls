# -*- coding: utf-8 -*-
# vim: ft=sls

{%- set tplroot = tpldir.split('/')[0] %}
{%- from tplroot ~ '/map.jinja' import mapdata with context %}
{%- set worker = mapdata.database %}
{%- set password = worker.password %}
{%- if password.startswith('sdb://') %}
{%-   set password = salt['sdb.get'](password) %}
{%- endif %}

eventsd-database-mysql-mysql-database-present:
  mysql_database.present:
    - name: {{ worker.database | yaml_dquote }}
    - character_set: utf8mb4

# From where this user may come: the master itself, if the database is on the same machine.
eventsd-database-mysql-mysql-user-present:
  mysql_user.present:
    - name: {{ worker.user | yaml_dquote }}
    - host: {{ worker.client | yaml_dquote }}
    - password: {{ password | yaml_dquote }}
    - require:
      - mysql_database: eventsd-database-mysql-mysql-database-present

eventsd-database-mysql-mysql-grants-present:
  mysql_grants.present:
    - grant: ALL PRIVILEGES
    - database: {{ (worker.database ~ '.*') | yaml_dquote }}
    - user: {{ worker.user | yaml_dquote }}
    - host: {{ worker.client | yaml_dquote }}
    - require:
      - mysql_user: eventsd-database-mysql-mysql-user-present
