# -*- coding: utf-8 -*-
# vim: ft=sls

{%- set tplroot = tpldir.split('/')[0] %}
{%- from tplroot ~ '/map.jinja' import mapdata with context %}
{%- set script = mapdata.python ~ ' ' ~ mapdata.scripts.package ~ ' remove' %}

include:
  - {{ tplroot }}.service.clean

eventsd-package-clean-cmd-run:
  cmd.run:
    - name: {{ script | yaml_dquote }}
    - stateful:
      - test_name: {{ (script ~ ' --test') | yaml_dquote }}
    - stdin: {{ mapdata.settings.package | json | yaml_dquote }}
    - output_loglevel: quiet
    - require:
      - cmd: eventsd-service-clean-cmd-run
