# -*- coding: utf-8 -*-
# vim: ft=sls

{%- set tplroot = tpldir.split('/')[0] %}
{%- from tplroot ~ '/map.jinja' import mapdata with context %}
{%- set script = mapdata.python ~ ' ' ~ mapdata.scripts.package %}

{%- if mapdata.problems %}

include:
  - {{ tplroot }}.wrong

{%- else %}

eventsd-package-install-cmd-run:
  cmd.run:
    - name: {{ (script ~ ' install') | yaml_dquote }}
    - stateful:
      - test_name: {{ (script ~ ' install --test') | yaml_dquote }}
    - stdin: {{ mapdata.settings.package | json | yaml_dquote }}
    - output_loglevel: quiet
    - reload_modules: true

{%- endif %}
