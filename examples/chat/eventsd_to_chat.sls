{#- The incoming webhook of Slack, Mattermost, Rocket.Chat or Zulip's Slack-compatible one. -#}
{%- set url = 'https://chat.example.com/hooks/put-yours-here' %}
{#- Any minion can fire events with these tags, too. So nothing of the event goes into the message but which one it is. -#}
{%- set texts = {
  'worker/failing': 'a worker cannot write; its events wait in the spool',
  'worker/recovered': 'a worker writes again',
  'spool/nearly_full': 'the spool is nearly full; soon events will be dropped',
  'gap': 'events may have been missed',
  'loss': 'events were lost',
  'reload': 'the engine goes by another configuration',
} %}
{%- set text = texts.get(tag.replace('salt/eventsd/', '', 1)) %}
{%- if text %}
tell_the_chat:
  runner.http.query:
    - args:
      - url: {{ url }}
      - method: POST
      - header_dict:
          Content-Type: application/json
      - data: '{"text": "eventsd on {{ opts["id"] }}: {{ text }} (salt-run eventsd.status)"}'
{%- endif %}
