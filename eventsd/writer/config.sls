# -*- coding: utf-8 -*-
# vim: ft=sls

# A configuration for each writer of the pillar `eventsd_writers`, and the user that may read them.

{%- set tplroot = tpldir.split('/')[0] %}
{%- from tplroot ~ '/map.jinja' import mapdata with context %}
{%- set writer = mapdata.settings.writer %}
{%- set check = mapdata.python ~ ' ' ~ mapdata.scripts.writer %}

include:
  - {{ tplroot }}.package.install

{%- if not mapdata.problems %}

eventsd-writer-config-user-present:
  user.present:
    - name: {{ writer.user | yaml_dquote }}
    - system: true
    - usergroup: true
    - home: /var/cache/salt-eventsd
    - createhome: false
    - shell: /usr/sbin/nologin

{%-   for name in mapdata.writers %}

# No word of it in any output, for it holds passwords: the template reads the pillar by itself, and no difference is
# shown. What a writer would not take does not get there.
eventsd-writer-config-file-managed-{{ name }}:
  file.managed:
    - name: {{ (writer.folder ~ '/' ~ name ~ '.yaml') | yaml_dquote }}
    - source: salt://{{ tplroot }}/files/writer.yaml.jinja
    - template: jinja
    - context:
        name: {{ name | yaml_dquote }}
    - user: root
    - group: {{ writer.user | yaml_dquote }}
    - mode: '0640'
    - makedirs: true
    - show_changes: false
    - check_cmd: {{ check | yaml_dquote }}
    - require:
      - cmd: eventsd-package-install-cmd-run
      - user: eventsd-writer-config-user-present

{%-   endfor %}
{%- endif %}
