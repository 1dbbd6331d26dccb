# For salt-run state.orchestrate report_by_mail: everything in it runs on the master.
report:
  salt.runner:
    - name: eventsd.report
    - path: /var/cache/salt/master/eventsd/report.html
    - since: 7d

mail:
  cmd.run:
    - name: >-
        /usr/local/sbin/mail_report.py /var/cache/salt/master/eventsd/report.html
        --from salt@example.com --to admins@example.com --server localhost:25
    - require:
      - salt: report
