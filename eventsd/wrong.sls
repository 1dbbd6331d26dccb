# -*- coding: utf-8 -*-
# vim: ft=sls

# What is wrong with the pillar; nothing else is done then.

{%- set tplroot = tpldir.split('/')[0] %}
{%- from tplroot ~ '/map.jinja' import mapdata with context %}

{%- for problem in mapdata.problems %}

eventsd-wrong-test-fail-{{ loop.index }}:
  test.fail_without_changes:
    - name: {{ problem | yaml_dquote }}
    - comment: {{ problem | yaml_dquote }}
    - failhard: true

{%- endfor %}
