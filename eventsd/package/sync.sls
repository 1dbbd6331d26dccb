# -*- coding: utf-8 -*-
# vim: ft=sls

# A master that has this repository in its file_roots or as a GitFS remote gets its modules from there; they come before
# those of the package, so they are brought up to date together with it.

{%- set tplroot = tpldir.split('/')[0] %}
{%- from tplroot ~ '/map.jinja' import mapdata with context %}
{%- set script = mapdata.python ~ ' ' ~ mapdata.scripts.sync ~ ' ' ~ mapdata.conf_dir ~ ' ' ~ saltenv %}

include:
  - .install

{%- if not mapdata.problems %}

eventsd-package-sync-cmd-run:
  cmd.run:
    - name: {{ script | yaml_dquote }}
    - stateful:
      - test_name: {{ (script ~ ' --test') | yaml_dquote }}
    - require:
      - cmd: eventsd-package-install-cmd-run

{%- endif %}
