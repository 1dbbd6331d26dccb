# -*- coding: utf-8 -*-
# vim: ft=sls

# An example: the user, the database and the grants of one sql worker (lookup.database.worker), on a server that this
# minion may administer. The tables are made by the engine.

{%- set tplroot = tpldir.split('/')[0] %}
{%- from tplroot ~ '/map.jinja' import mapdata with context %}
{%- set name = mapdata.settings.database.worker %}
{%- set worker = mapdata.database %}

{%- if mapdata.problems %}

include:
  - {{ tplroot }}.wrong

{%- elif worker.kind in ('postgresql', 'mysql') %}

include:
  - .{{ worker.kind }}

{%- else %}

eventsd-database-test-fail:
  test.fail_without_changes:
    - name: >-
        eventsd: workers.{{ name }}: expected an sql worker with driver, host, user, password and database, or with a
        url of them, on PostgreSQL or MariaDB; got {{ worker.kind or 'none' }}

{%- endif %}
