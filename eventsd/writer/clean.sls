# -*- coding: utf-8 -*-
# vim: ft=sls

# Ends the writers of the pillar and removes what makes them. The package stays: a master may be here as well.

{%- set tplroot = tpldir.split('/')[0] %}
{%- from tplroot ~ '/map.jinja' import mapdata with context %}

{%- for name in mapdata.writers %}
{%-   if mapdata.settings.service.manage %}

eventsd-writer-clean-service-dead-{{ name }}:
  service.dead:
    - name: {{ ('salt-eventsd-writer@' ~ name) | yaml_dquote }}
    - enable: false
    - require_in:
      - file: eventsd-writer-clean-file-absent

{%-   endif %}

eventsd-writer-clean-file-absent-{{ name }}:
  file.absent:
    - name: {{ (mapdata.settings.writer.folder ~ '/' ~ name ~ '.yaml') | yaml_dquote }}
    - require_in:
      - file: eventsd-writer-clean-file-absent

{%- endfor %}

eventsd-writer-clean-file-absent:
  file.absent:
    - name: /etc/systemd/system/salt-eventsd-writer@.service
