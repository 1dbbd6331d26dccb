# -*- coding: utf-8 -*-
# vim: ft=sls

{%- set tplroot = tpldir.split('/')[0] %}
{%- from tplroot ~ '/map.jinja' import mapdata with context %}
{%- set script = mapdata.python ~ ' ' ~ mapdata.scripts.engine ~ ' apply' %}

include:
  - {{ tplroot }}.config

{%- if not mapdata.problems %}
{%-   if opts.test %}
{%-     set package = salt['cmd.run_stdout'](
          [mapdata.python, mapdata.scripts.package, 'install', '--test'],
          stdin=mapdata.settings.package | json,
          python_shell=False,
          output_loglevel='quiet',
        ) | load_json %}
{%-     do mapdata.brief.update({'package_changes': package.changed}) %}
{%-   endif %}
{%-   if mapdata.settings.service.manage %}

eventsd-service-running-service-running:
  service.running:
    - name: {{ mapdata.settings.service.name | yaml_dquote }}
    - require:
      - file: eventsd-config-file-file-managed
    - require_in:
      - cmd: eventsd-service-running-cmd-run

{%-   endif %}

# A reload, or a restart once the return of this job has reached the master; nothing where the engine runs with what is
# on disk already.
eventsd-service-running-cmd-run:
  cmd.run:
    - name: {{ script | yaml_dquote }}
    - stateful:
      - test_name: {{ (script ~ ' --test') | yaml_dquote }}
    - stdin: {{ mapdata.brief | json | yaml_dquote }}
    - require:
      - file: eventsd-config-file-file-managed

{%- endif %}
