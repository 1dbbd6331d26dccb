# -*- coding: utf-8 -*-
# vim: ft=sls

{%- set tplroot = tpldir.split('/')[0] %}
{%- from tplroot ~ '/map.jinja' import mapdata with context %}

include:
  - .config

{%- if not mapdata.problems %}

eventsd-writer-service-file-managed:
  file.managed:
    - name: /etc/systemd/system/salt-eventsd-writer@.service
    - source: salt://{{ tplroot }}/files/salt-eventsd-writer@.service.jinja
    - template: jinja
    - context:
        python: {{ mapdata.python | yaml_dquote }}
        folder: {{ mapdata.settings.writer.folder | yaml_dquote }}
        user: {{ mapdata.settings.writer.user | yaml_dquote }}
    - mode: '0644'
    - require:
      - cmd: eventsd-package-install-cmd-run

{%-   if mapdata.settings.service.manage %}

eventsd-writer-service-cmd-run:
  cmd.run:
    - name: systemctl daemon-reload
    - onchanges:
      - file: eventsd-writer-service-file-managed

{%-     for name in mapdata.writers %}

# A new package or unit needs another process, a new configuration does not.
eventsd-writer-service-cmd-run-{{ name }}:
  cmd.run:
    - name: {{ ('systemctl try-restart salt-eventsd-writer@' ~ name) | yaml_dquote }}
    - onchanges:
      - cmd: eventsd-package-install-cmd-run
      - file: eventsd-writer-service-file-managed
    - require:
      - cmd: eventsd-writer-service-cmd-run
      - file: eventsd-writer-config-file-managed-{{ name }}

eventsd-writer-service-running-{{ name }}:
  service.running:
    - name: {{ ('salt-eventsd-writer@' ~ name) | yaml_dquote }}
    - enable: true
    - reload: true
    - require:
      - cmd: eventsd-writer-service-cmd-run-{{ name }}
    - watch:
      - file: eventsd-writer-config-file-managed-{{ name }}

{%-     endfor %}
{%-   endif %}
{%- endif %}
