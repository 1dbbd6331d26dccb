# -*- coding: utf-8 -*-
# vim: ft=sls

{%- set tplroot = tpldir.split('/')[0] %}
{%- from tplroot ~ '/map.jinja' import mapdata with context %}
{%- set file = mapdata.settings.config %}
{%- set check = [mapdata.python, mapdata.scripts.engine, 'check', mapdata.conf_dir, mapdata.user, file.file] | join(' ') %}

include:
  - {{ tplroot }}.package

{%- if not mapdata.problems %}
{%-   if mapdata.wrong %}

eventsd-config-file-test-fail:
  test.fail_without_changes:
    - name: {{ mapdata.wrong | yaml_dquote }}
    - comment: {{ mapdata.wrong | yaml_dquote }}

{%-   endif %}

# No word of it in any output, for it holds passwords: the template reads the pillar by itself, and no difference is
# shown. What the engine would not take does not get there.
eventsd-config-file-file-managed:
  file.managed:
    - name: {{ file.file | yaml_dquote }}
    - source: salt://{{ tplroot }}/files/eventsd.conf.jinja
    - template: jinja
    - user: {{ file.user | yaml_dquote }}
    - group: {{ file.group | yaml_dquote }}
    - mode: {{ file.mode | yaml_dquote }}
    - makedirs: true
    - show_changes: false
    - check_cmd: {{ check | yaml_dquote }}
    - require:
      - cmd: eventsd-package-install-cmd-run
      - cmd: eventsd-package-sync-cmd-run
{%-   if mapdata.wrong %}
      - test: eventsd-config-file-test-fail
{%-   endif %}

{%- endif %}
