"""
The list of tokens and hashes that are recognized by their form, whatever stands beside them.

Each shape has a name, with which ``redact.keys`` can take it out (``!jwt``), and a source that documents it. Prefixes
and lengths are those of the issuers. Expressions are for bytes, in the syntax that :mod:`re` and RE2 share.
"""

from __future__ import annotations

from typing import NamedTuple


class Shape(NamedTuple):
    """
    The form of one kind of secret.

    :param name: a short name in lower case.
    :param expression: matches the secret. A first group is text before it that is kept (``(kept)secret``), a second
        group is text after it that is kept.
    :param source: who issues the secret or documents its form.
    :param gate: an expression for shapes that begin with common text. Such a shape is searched for separately, and only
        in texts that the gate matches: a search for all shapes at once would need too much memory, or read a text
        several times.
    """

    name: str
    expression: bytes
    source: str
    gate: bytes = b""


SHAPES: tuple[Shape, ...] = (
    Shape(
        "aws_key_id",
        rb"\b(?:AKIA|ASIA|ABIA|ACCA|AROA|AIDA|AGPA|ANPA|A3T[A-Z0-9])[A-Z0-9]{12,20}\b",
        "AWS IAM, identifiers",
    ),
    Shape("aws_bedrock", rb"\bABSK[A-Za-z0-9+/=]{40,}", "AWS Bedrock, API keys"),
    Shape("github", rb"\bgh[pousr]_[A-Za-z0-9_]{20,}", "GitHub, token formats"),
    Shape("github_pat", rb"\bgithub_pat_[A-Za-z0-9_]{20,}", "GitHub, token formats"),
    Shape(
        "gitlab",
        rb"\bgl(?:pat|dt|ptt|rt|rtr|cbt|ft|imt|agent|oas|soat|ffct|wt)-[A-Za-z0-9_=.-]{16,}",
        "GitLab, token overview",
    ),
    Shape("gitlab_runner", rb"\bGR1348941[A-Za-z0-9_-]{16,}", "GitLab, runner registration"),
    Shape("bitbucket", rb"\b(?:ATBB|ATCTT3|ATATT3|ATOA)[A-Za-z0-9_=-]{16,}", "Atlassian, API tokens"),
    Shape("slack", rb"\bx(?:ox[abeoprs]|app|oxe\.xox[bp])-[A-Za-z0-9-]{8,}", "Slack, token types"),
    Shape(
        "slack_webhook",
        rb"(hooks\.slack\.com/(?:services|workflows|triggers)/)[A-Za-z0-9+/_-]{8,}",
        "Slack, incoming webhooks",
    ),
    Shape("discord_webhook", rb"(discord(?:app)?\.com/api/webhooks/)[0-9]{8,}/[A-Za-z0-9_-]{16,}", "Discord, webhooks"),
    Shape(
        "discord_bot",
        rb"\b[MNO][A-Za-z0-9_-]{23,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,}",
        "Discord, bots",
        rb"\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27}",
    ),
    Shape("teams_webhook", rb"(webhook\.office\.com/webhookb2/)[A-Za-z0-9@/_-]{16,}", "Microsoft Teams, webhooks"),
    Shape(
        "telegram", rb"(\b(?:bot)?)[0-9]{8,10}:AA[A-Za-z0-9_-]{30,}", "Telegram, bot API", rb"[0-9]:AA[A-Za-z0-9_-]{30}"
    ),
    Shape("stripe", rb"\b(?:sk|rk|pk)_(?:live|test|prod)_[A-Za-z0-9]{10,}", "Stripe, API keys"),
    Shape("stripe_webhook", rb"\bwhsec_[A-Za-z0-9+/=]{16,}", "Stripe, Svix: webhook signing"),
    Shape("google_api", rb"\bAIza[A-Za-z0-9_-]{30,}", "Google Cloud, API keys"),
    Shape(
        "google_oauth",
        rb"\b(?:ya29\.[A-Za-z0-9._-]{16,}|GOCSPX-[A-Za-z0-9_-]{16,}|1//0[A-Za-z0-9_-]{24,})",
        "Google, OAuth 2.0",
    ),
    Shape("npm", rb"\bnpm_[A-Za-z0-9]{30,}", "npm, access tokens"),
    Shape("pypi", rb"\bpypi-[A-Za-z0-9_-]{16,}", "PyPI, API tokens"),
    Shape("rubygems", rb"\brubygems_[a-f0-9]{32,}", "RubyGems, API keys"),
    Shape("nuget", rb"\boy2[a-z0-9]{43}\b", "NuGet, API keys"),
    Shape("crates", rb"\bcio[A-Za-z0-9]{32}\b", "crates.io, tokens"),
    Shape("dockerhub", rb"\bdckr_(?:pat|oat)_[A-Za-z0-9_-]{20,}", "Docker Hub, access tokens"),
    Shape("vault", rb"\b(?:hv[sbr]\.[A-Za-z0-9_-]{20,}|s\.[A-Za-z0-9]{24}\b)", "HashiCorp Vault, tokens"),
    Shape("terraform", rb"\b[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{40,}", "HCP Terraform, tokens", rb"\.atlasv1\."),
    Shape("doppler", rb"\bdp\.(?:pt|st|ct|sa|scim|audit)\.[A-Za-z0-9.]{20,}", "Doppler, tokens"),
    Shape("age", rb"\bAGE-SECRET-KEY-1[A-Z0-9]{40,}", "age, identities"),
    Shape(
        "azure_client",
        rb"\b[A-Za-z0-9_~.]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,34}",
        "Microsoft Entra, client secrets",
        rb"[0-9]Q~",
    ),
    Shape("azure_sas", rb"([?&;](?:sig|signature)=)[A-Za-z0-9%+/=_.~-]{4,}", "Azure Storage, shared access signatures"),
    Shape("azure_devops", rb"\b[A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4}\b", "Azure DevOps, tokens", rb"AZDO"),
    Shape(
        "aws_signature",
        rb"((?:[?&]X-Amz-(?:Signature|Credential)|\bSignature)=)[A-Za-z0-9%/_-]{16,}",
        "AWS, Signature Version 4",
    ),
    Shape("twilio", rb"\b(?:SK|AC)[0-9a-f]{32}\b", "Twilio, API keys and account SIDs"),
    Shape("sendgrid", rb"\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}", "SendGrid, API keys"),
    Shape("mailgun", rb"\bkey-[0-9a-f]{32}\b", "Mailgun, API keys"),
    Shape("mailchimp", rb"\b[0-9a-f]{32}-us[0-9]{1,2}\b", "Mailchimp, API keys", rb"[0-9a-f]-us[0-9]"),
    Shape("brevo", rb"\bxkeysib-[a-f0-9]{64}-[A-Za-z0-9]{16}\b", "Brevo, API keys"),
    Shape("digitalocean", rb"\bdo[opr]_v1_[a-f0-9]{32,}", "DigitalOcean, tokens"),
    Shape("heroku", rb"\bHRKU-[A-Za-z0-9_-]{30,}", "Heroku, API keys"),
    Shape("linode", rb"\blin_[a-z]+_[A-Za-z0-9]{32,}", "Linode, tokens"),
    Shape("flyio", rb"\b(?:fo1_[A-Za-z0-9_-]{40,}|fm[12][ar]?_[A-Za-z0-9+/=]{80,})", "Fly.io, tokens"),
    Shape("alibaba", rb"\bLTAI[A-Za-z0-9]{12,}\b", "Alibaba Cloud, AccessKey"),
    Shape("tencent", rb"\bAKID[A-Za-z0-9]{28,}\b", "Tencent Cloud, SecretId"),
    Shape(
        "openai",
        rb"\bsk-(?:(?:proj|svcacct|admin|ant|or-v1|lf)-[A-Za-z0-9_-]{20,}|[A-Za-z0-9]{20,})",
        "OpenAI, Anthropic and others, API keys",
    ),
    Shape("huggingface", rb"\b(?:hf|api_org)_[A-Za-z]{30,}\b", "Hugging Face, tokens"),
    Shape("replicate", rb"\br8_[A-Za-z0-9]{30,}", "Replicate, tokens"),
    Shape("groq", rb"\bgsk_[A-Za-z0-9]{40,}", "Groq, API keys"),
    Shape("grafana", rb"\bgl(?:sa|c)_[A-Za-z0-9+/=_-]{20,}", "Grafana, service accounts"),
    Shape("sentry", rb"\bsntry[su]_[A-Za-z0-9+/=_-]{30,}", "Sentry, auth tokens"),
    Shape("newrelic", rb"\bNR(?:AK|JS|II|RA|SP)-[A-Za-z0-9-]{16,}", "New Relic, API keys"),
    Shape("dynatrace", rb"\bdt0[a-z][0-9]{2}\.[A-Z0-9]{24}\.[A-Z0-9]{32,}", "Dynatrace, tokens"),
    Shape("datadog", rb"\bddp_[A-Za-z0-9]{32,}", "Datadog, personal tokens"),
    Shape("pagerduty", rb"\bpdt?\+[A-Za-z0-9_-]{16,}", "PagerDuty, keys"),
    Shape("databricks", rb"\bdapi[a-f0-9]{32}(?:-[0-9])?\b", "Databricks, tokens"),
    Shape("shopify", rb"\bshp(?:at|ca|pa|ss|tka|ua)_[a-fA-F0-9]{32}\b", "Shopify, tokens"),
    Shape("square", rb"\b(?:sq0[a-z]{3}-[A-Za-z0-9_-]{22,}|EAAA[A-Za-z0-9_-]{60})", "Square, tokens"),
    Shape("facebook", rb"\bEAA[A-Za-z0-9]{60,}", "Meta, access tokens"),
    Shape("notion", rb"\b(?:ntn_[A-Za-z0-9]{40,}|secret_[A-Za-z0-9]{43}\b)", "Notion, integrations"),
    Shape("linear", rb"\blin_api_[A-Za-z0-9]{32,}", "Linear, API keys"),
    Shape("airtable", rb"\bpat[A-Za-z0-9]{14}\.[a-f0-9]{64}\b", "Airtable, tokens", rb"pat[A-Za-z0-9]{14}\."),
    Shape("postman", rb"\bPMAK-[a-f0-9]{24}-[a-f0-9]{34}\b", "Postman, API keys"),
    Shape("planetscale", rb"\bpscale_(?:tkn|pw|oauth)_[A-Za-z0-9_=.-]{20,}", "PlanetScale, tokens"),
    Shape("supabase", rb"\bsb(?:p|_secret)_[A-Za-z0-9_]{20,}", "Supabase, keys"),
    Shape("artifactory", rb"\b(?:AKCp[A-Za-z0-9]{60,}|cmVmd[A-Za-z0-9]{50,})", "JFrog Artifactory, API keys"),
    Shape("sonar", rb"\bsq[apu]_[a-f0-9]{40}\b", "SonarQube, tokens"),
    Shape("tailscale", rb"\btskey-[a-z]+-[A-Za-z0-9-]{16,}", "Tailscale, keys"),
    Shape("tfe_pulumi", rb"\bpul-[a-f0-9]{40}\b", "Pulumi, tokens"),
    Shape("kubeadm", rb"(--token[= ]|\btoken: )[a-z0-9]{6}\.[a-z0-9]{16}\b", "Kubernetes, bootstrap tokens"),
    Shape(
        "onepassword",
        rb"\b(?:ops_eyJ[A-Za-z0-9+/=_-]{60,}|A3-[A-Z0-9]{6}-(?:[A-Z0-9]{5,11}-){3,4}[A-Z0-9]{5})",
        "1Password, service accounts",
    ),
    Shape("jwt", rb"\beyJ[A-Za-z0-9_=-]{8,}\.[A-Za-z0-9_=-]{4,}(?:\.[A-Za-z0-9_=-]*){0,3}", "RFC 7519"),
    Shape("bearer", rb"(\b[Bb]earer[ \t]+)[A-Za-z0-9._~+/=-]{16,}", "RFC 6750"),
    Shape("basic", rb"(\b[Bb]asic[ \t]+)[A-Za-z0-9+/]{12,}={0,2}", "RFC 7617"),
    Shape(
        "crypt",
        rb"\$(?:1|2[abxy]?|5|6|7|8|9|14|y|gy|md5|sha1|apr1|P|H|S|argon2(?:id|i|d)|scrypt|pbkdf2[a-z0-9-]*|bcrypt-sha256)\$[A-Za-z0-9./$=,+*-]{8,}",
        "crypt(5), passlib",
    ),
    Shape(
        "django_hash",
        rb"\b(?:pbkdf2_sha(?:1|256)|bcrypt_sha256|scrypt|argon2)\$[A-Za-z0-9./$=,+*-]{16,}",
        "Django, password hashers",
    ),
    Shape(
        "scram", rb"\b(?:SCRAM-SHA-(?:1|256|512)\$[0-9]+:|md5[0-9a-f]{32}\b)[A-Za-z0-9+/=:$]*", "PostgreSQL, pg_authid"
    ),
    Shape("mysql_hash", rb"\*[0-9A-F]{40}\b", "MySQL, mysql_native_password"),
    Shape(
        "ldap_hash",
        rb"\{(?:S?SHA(?:256|384|512)?|S?MD5|CRYPT|SASL|PBKDF2[A-Z0-9-]*|crypt|ssha|sha)\}[A-Za-z0-9+/=.$]{8,}",
        "RFC 2307",
    ),
    Shape(
        "ntlm_hash",
        rb"\b[a-fA-F0-9]{32}:[a-fA-F0-9]{32}\b",
        "Windows, LM and NT hashes",
        rb"[a-fA-F0-9]:[a-fA-F0-9]{32}",
    ),
    Shape("cisco_type7", rb"(\b(?:password|secret|key) 7 )[0-9A-Fa-f]{6,}", "Cisco IOS"),
    Shape(
        "pgpass",
        rb"(?m:^)([+ ]?[A-Za-z0-9_-]{0,64}[A-Za-z*.][A-Za-z0-9.*_-]{0,253}"
        rb":(?:[0-9]{2,5}|\*):[^:\s]{1,64}:[^:\s]{1,64}:)(?:[^\s:\\]|\\.)+(?m:$)",
        "PostgreSQL, .pgpass",
        # With the end of a host, which no time of day has: in a payload, all sorts of bytes stand behind one.
        rb"[A-Za-z*.][A-Za-z0-9.*_-]*:(?:[0-9]{2,5}|\*):[^:\s]+:[^:\s]+:",
    ),
    Shape("go_dsn", rb"([A-Za-z0-9_.-]+:)[^\s@/:'\"]+(@tcp\()", "Go, MySQL driver", rb"@tcp\("),
    Shape("oracle", rb"((?:thin|oci)(?::|://)[A-Za-z0-9_]+/)[^\s@/]+(@)", "Oracle, JDBC URLs", b"jdbc:oracle"),
    Shape("sqlplus", rb"(\b(?:sqlplus)(?: -[A-Za-z]+)* [A-Za-z0-9_]+/)[^\s@/]+", "Oracle, command lines", b"sqlplus"),
    Shape(
        "chpasswd",
        rb"(\becho\s+(?:-[a-z]+\s+)?[\"']?[A-Za-z0-9_.-]+:)[^\s\"'|]+([\"']?\s*\|\s*(?:sudo\s+)?chpasswd)",
        "shadow-utils",
        b"chpasswd",
    ),
    Shape(
        "passwd_stdin",
        rb"(\becho\s+(?:-[a-z]+\s+)?[\"']?)[^\"'|\n]+?([\"']?\s*\|\s*(?:sudo\s+)?passwd\b)",
        "shadow-utils",
        b"passwd",
    ),
    Shape("smtp_auth", rb"(\b(?:AUTH|auth) (?:PLAIN|LOGIN|plain|login) )[A-Za-z0-9+/=]{8,}", "RFC 4954"),
    Shape(
        "plain_scheme",
        rb"(\{(?:PLAIN|CLEAR|CLEARTEXT|noop|cipher|cleartext|plain)\})[^\s:\"',}]+",
        "Dovecot, Spring Security",
    ),
    Shape(
        "stdin",
        rb"(\b(?:echo|printf)\s+(?:-[a-z]+\s+)?[\"']?)[^\"'|\n]+?"
        rb"([\"']?\s*\|[^\n|]*(?:password-stdin|sudo -S|passphrase-fd|cryptsetup|kinit|with-token|load-key"
        rb"|smbpasswd|realm join|adcli|gcloud secrets))",
        "sudo, Docker, GnuPG",
        rb"password-stdin|sudo -S|passphrase-fd|cryptsetup|kinit|with-token|load-key|smbpasswd|realm join|adcli"
        rb"|gcloud secrets",
    ),
    Shape(
        "here_string",
        rb"(\b(?:chpasswd|passwd|sudo -S|kinit|cryptsetup)[^\n<]*<<<\s*(?:\$?[\"'])?(?:[A-Za-z0-9_.-]+:)?)[^\"'\n]+",
        "Bash",
        rb"<<<",
    ),
    Shape(
        "secure_string",
        rb"(ConvertTo-SecureString\s+(?:-String\s+)?[\"']?)[^\s\"']+",
        "PowerShell",
        rb"ConvertTo-SecureString",
    ),
    Shape(
        "snmp",
        rb"(\b(?:snmp-server\s+community|com2sec6?\s+\S+\s+\S+|createUser\s+\S+\s+(?:MD5|SHA\S*))\s+)[^\n]+",
        "Net-SNMP, Cisco IOS",
        rb"snmp-server|com2sec|createUser",
    ),
    Shape(
        "aaa_key",
        rb"(\b(?:tacacs|radius|isakmp|pre-shared-key)[^\n]{0,100}\bkey\s+(?:[0-9]\s+)?)[^\s]+",
        "Cisco IOS",
        rb"tacacs|radius|isakmp|pre-shared-key",
    ),
    Shape(
        "ipsec_secrets",
        rb"(:\s*(?:EAP|XAUTH|NTLM|RSA|ECDSA|PKCS8|PIN)\s+(?:[^\s\"]+\s+)?\")[^\"\n]+",
        "strongSwan, ipsec.secrets",
        rb":\s*(?:EAP|XAUTH|NTLM|RSA|ECDSA|PKCS8|PIN)\s",
    ),
    Shape(
        "sasl_passwd",
        rb"(\[[A-Za-z0-9_.-]+\](?::[0-9]+)?\s+[^\s:]+:)[^\s]+",
        "Postfix, sasl_passwd",
        rb"\](?::[0-9]+)?\s+[^\s:]+:",
    ),
    Shape("htdigest", rb"(?m:^)([^:\s]+:[^:\n]+:)[0-9a-f]{32}(?m:$)", "Apache, htdigest", rb":[0-9a-f]{32}"),
    Shape("mongo_auth", rb"(\.auth\(\s*[\"'][^\"'\n]*[\"']\s*,\s*[\"'])[^\"'\n]+", "MongoDB shell", rb"\.auth\("),
    Shape("grub", rb"\bgrub\.pbkdf2\.sha[0-9]+\.[0-9]+\.[A-Za-z0-9.]{8,}", "GRUB, passwords"),
    Shape("ceph", rb"\bAQ[A-Za-z0-9+/]{36,38}==", "Ceph, keyrings"),
    Shape(
        "gossip",
        rb"(\bencrypt\\?\"?\s*[:=]\s*\\?\")[A-Za-z0-9+/]{20,44}={0,2}",
        "Consul, Nomad: gossip keys",
        rb"encrypt\\?\"?\s*[:=]",
    ),
    Shape("haproxy", rb"(\bstats\s+auth\s+[^\s:]+:)[^\s]+", "HAProxy, stats auth", rb"stats\s+auth\s"),
    Shape(
        "redis_acl",
        rb"((?i:user)\s+[^\s]+\s+(?:on|off|reset|resetpass)\s+(?:[^\s>]+\s+){0,16}>)[^\s]+",
        "Redis, access control lists",
        rb"(?i:user)\s+[^\s]+\s+(?:on|off|reset|resetpass)\s",
    ),
    Shape(
        "routing_key",
        rb"(\b(?:message-digest-key|authentication-key)\s+[0-9]+\s+(?:md5|sha1?|sha256|hmac-[a-z0-9-]+)\s+(?:[0-9]\s+)?)"
        rb"[^\s]+",
        "Cisco IOS, FRRouting, NTP",
        rb"message-digest-key|authentication-key",
    ),
    Shape(
        "htpasswd",
        rb"(\bhtpasswd\s+(?:-[A-Za-z0-9]+\s+){0,6}-[A-Za-z]*(?:n[A-Za-z]*b|b[A-Za-z]*n)[A-Za-z]*\s+"
        rb"(?:-[A-Za-z0-9]+\s+){0,6}[^\s-][^\s]*\s+)[^\s|;&]+",
        "Apache, htpasswd",
        rb"htpasswd\s",
    ),
    Shape(
        "htpasswd_file",
        rb"(\bhtpasswd\s+(?:-[A-Za-z0-9]+\s+){0,6}-[A-Zac-mo-z]*b[A-Zac-mo-z]*\s+"
        rb"(?:-[A-Zac-mo-z0-9]+\s+){0,6}[^\s-][^\s]*\s+[^\s]+\s+)[^\s|;&]+",
        "Apache, htpasswd",
        rb"htpasswd\s",
    ),
    Shape("kubectl", rb"(--from-literal[= ][\"']?[^\s=]+=)[^\s\"']+", "Kubernetes, kubectl", rb"--from-literal"),
    Shape(
        "vault_write",
        rb"(\bvault\s+(?:kv\s+(?:put|patch)|write)\s+(?:-[^\s]+\s+){0,8}[^\s;|&-][^\s;|&]*[ \t]+)[^\n|;&]+",
        "HashiCorp Vault, command lines",
        rb"vault\s+(?:kv|write)\s",
    ),
    Shape(
        "net_use",
        rb"(\bnet(?:\.exe)?\s+use\s+(?:[A-Za-z*]:?\s+)?\\{2,8}[^\s]+\s+(?:/user:[^\s]+\s+)?)[^\s/][^\s]*",
        "Windows, net use",
        rb"net(?:\.exe)?\s+use\s",
    ),
    Shape(
        "told",
        rb"((?:successfully reset\.\s+New value:|following password[^\n:]{0,60}:)\s+)[^\s]+",
        "Elasticsearch, Jenkins: what they print",
        rb"successfully reset\.|following password",
    ),
)
