# -*- coding: utf-8 -*-
# vim: ft=sls

# How the minion reaches the server is up to its own configuration (mysql.host, mysql.user, mysql.default_file ...).

{%- set tplroot = tpldir.split('/')[0] %}
{%- from tplroot ~ '/map.jinja' import mapdata with context %}
{%- set worker = mapdata.database %}
{%- set password = worker.password %}
{%- if password.startswith('sdb://') %}
{%-   set password = salt['sdb.get'](password) %}
{%- endif %}
{%- set everything = worker.database ~ '.*' %}

{%- if grains.saltversioninfo[0] < 3008 %}

eventsd-database-mysql-mysql-database-present:
  mysql_database.present:
    - name: {{ worker.database | yaml_dquote }}
    - character_set: utf8mb4

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
    - database: {{ everything | yaml_dquote }}
    - user: {{ worker.user | yaml_dquote }}
    - host: {{ worker.client | yaml_dquote }}
    - require:
      - mysql_user: eventsd-database-mysql-mysql-user-present

{%- else %}
{#- Salt 3008 has the execution module of MySQL, and no states any more. -#}
{%-   set steps = [] %}
{%-   if not salt['mysql.db_exists'](worker.database) %}
{%-     do steps.append({'mysql.db_create': [{'name': worker.database}, {'character_set': 'utf8mb4'}]}) %}
{%-   endif %}
{%-   set user = [{'user': worker.user}, {'host': worker.client}, {'password': password}] %}
{%-   if not salt['mysql.user_exists'](worker.user, worker.client) %}
{%-     do steps.append({'mysql.user_create': user}) %}
{%-   elif not salt['mysql.user_exists'](worker.user, worker.client, password) %}
{%-     do steps.append({'mysql.user_chpass': user}) %}
{%-   endif %}
{%-   if not salt['mysql.grant_exists']('ALL PRIVILEGES', everything, worker.user, worker.client) %}
{%-     do steps.append({
          'mysql.grant_add': [
            {'grant': 'ALL PRIVILEGES'}, {'database': everything}, {'user': worker.user}, {'host': worker.client}
          ],
        }) %}
{%-   endif %}
{%-   if steps %}

eventsd-database-mysql-module-run:
  module.run:
    {%- for step in steps %}
    - {{ step | json }}
    {%- endfor %}

{%-   else %}

eventsd-database-mysql-test-succeed:
  test.succeed_without_changes:
    - name: {{ (worker.database ~ ' and ' ~ worker.user ~ ' are there') | yaml_dquote }}

{%-   endif %}
{%- endif %}
