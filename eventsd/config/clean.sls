# -*- coding: utf-8 -*-
# vim: ft=sls

{%- set tplroot = tpldir.split('/')[0] %}
{%- from tplroot ~ '/map.jinja' import mapdata with context %}

eventsd-config-clean-file-absent:
  file.absent:
    - name: {{ mapdata.settings.config.file | yaml_dquote }}
