# -*- coding: utf-8 -*-
# vim: ft=sls

{%- set tplroot = tpldir.split('/')[0] %}
{%- from tplroot ~ '/map.jinja' import mapdata with context %}
{%- set script = mapdata.python ~ ' ' ~ mapdata.scripts.engine %}
{#- Asked now: without its config, nobody can tell where it keeps what. -#}
{%- set seen = salt['cmd.run_stdout'](script ~ ' look ' ~ mapdata.conf_dir) | load_json %}
{%- if not mapdata.settings.clean.data %}
{%-   do seen.update({'data': []}) %}
{%- endif %}
{%- do seen.update(mapdata.brief) %}

include:
  - {{ tplroot }}.config.clean

eventsd-service-clean-cmd-run:
  cmd.run:
    - name: {{ (script ~ ' clean') | yaml_dquote }}
    - stateful:
      - test_name: {{ (script ~ ' clean --test') | yaml_dquote }}
    - stdin: {{ seen | json | yaml_dquote }}
    - require:
      - file: eventsd-config-clean-file-absent
