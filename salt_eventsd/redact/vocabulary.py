"""
The words that names of secrets are made of, and those that make a name harmless; :mod:`names` judges by them.
"""

from __future__ import annotations

from collections.abc import Mapping

#: Family -> its stems, as expressions for a name in lower case with ``_`` between its words. ``redact.keys`` can take
#: out a family with ``!``.
FAMILIES: Mapping[str, str] = {
    "password": r"pass_?words?|pass_?codes?|pass_?keys?|pass_?wort|kenn_?wort"
    r"|mot_?de_?passe|contrase(?:n|\xc3\xb1)a|wacht_?woord",
    "passwd": r"pass_?wds?",
    "pass": r"(?<!by)(?<!com)(?<!tres)(?<!sur)(?<!over)(?<!under)pass(?![a-z])",
    "passphrase": r"pass_?phrases?|seed_?phrases?|recovery_?(?:phrase|code)s?|backup_?codes?|mnemonics?(?![a-z])",
    "pwd": r"pwds?(?![a-z])|(?<![a-z])pws?(?![a-z])|(?<=[a-z]{2})pw(?![a-z])",
    "secret": r"secrets?",
    "token": r"tokens?|bw_?session",
    "private_key": r"priv(?:ate)?_?keys?|client_?key_?data",
    "api_key": r"api_?keys?|app(?:lication)?_?keys?|(?:licen[cs]e|activation)_?keys?",
    "access_key": r"access_?keys?|account_?keys?|shared_?keys?|storage_?keys?|subscription_?keys?|functions?_?keys?",
    "encryption_key": r"(?:encrypt(?:ion)?|decrypt(?:ion)?|sign(?:ing|ature)?|master|auth|session|hmac|aes|unseal"
    r"|recovery|consumer|symmetric|crypto|cipher|vault|tacacs|radius|isakmp|ipsec|wep|authentication|nonce|logged_?in)_?keys?|key_?string"
    r"|(?:auth|logged_?in|nonce|hash)_?salts?|authentication_?strings?|key_?(?:material|content)",
    "credential": r"credentials?|creds?(?![a-z])",
    "authorization": r"authori[sz]ation(?![a-z])",
    "auth": r"(?<![a-z])auths?(?![a-z])|master_?auth(?![a-z])|(?<!ch)auth_?tok(?![a-z])",
    "bearer": r"bearer(?![a-z])",
    "cookie": r"(?<!syn)cookies?(?![a-z])",
    "psk": r"psks?(?![a-z])|pre_?shared_?keys?",
    "snmp_community": r"snmp_?(?:server_?)?community|r[ow]_?community6?|community_?string|trap_?community",
}
#: The same as expressions for raw text; each finds at least all that its family's stems find.
HINTS: Mapping[str, str] = {
    "password": r"pass[-_. ]?(?:word|code|key|wort)|kenn[-_. ]?wort"
    r"|mot[-_. ]?de[-_. ]?passe|contrase(?:n|\xc3\xb1|\xc3\x91)a|wacht[-_. ]?woord",
    "passwd": r"pass[-_. ]?wd",
    "pass": r"pass(?:[^a-z]|(?-i:[A-Z])|$)",
    "passphrase": r"(?:pass|seed|recovery)[-_. ]?phrase|(?:recovery|backup)[-_. ]?code|mnemonic",
    "pwd": r"pwd|pws?(?:[^a-z]|$)",
    "secret": r"secret",
    "token": r"token|bw[-_. ]?session",
    "private_key": r"priv(?:ate)?[-_. ]?key|client[-_. ]?key[-_. ]?data",
    "api_key": r"api[-_. ]?key|app(?:lication)?[-_. ]?key|(?:licen[cs]e|activation)[-_. ]?key",
    "access_key": r"(?:access|account|shared|storage|subscription|functions?)[-_. ]?key",
    "encryption_key": r"(?:encrypt(?:ion)?|decrypt(?:ion)?|sign(?:ing|ature)?|master|auth|session|hmac|aes|unseal"
    r"|recovery|consumer|symmetric|crypto|cipher|vault|tacacs|radius|isakmp|ipsec|wep|authentication|nonce"
    r"|logged[-_. ]?in)[-_. ]?key|key[-_. ]?string"
    r"|(?:auth|logged[-_. ]?in|nonce|hash)[-_. ]?salt|authentication[-_. ]?string|key[-_. ]?(?:material|content)",
    "credential": r"credential|creds?(?:[^a-z]|$)",
    "authorization": r"authori[sz]ation",
    "auth": r"auths?[\"'\\]*[\s]*[=:\x00-\x1f\x80-\xff]|master[-_. ]?auth|auth[-_. ]?tok|basic[-_. ]?auth",
    "bearer": r"bearer",
    "cookie": r"cookie",
    "psk": r"psk|shared[-_. ]?key",
    "snmp_community": r"community",
}

#: After the name of a secret, these last words name something about the secret: ``token_type``.
HARMLESS = frozenset(
    (
        b"changed change changes count counts type types kind length len min max minimum maximum policy"
        b" policies expired expire expires expiry expiration age ttl url urls uri uris endpoint endpoints file"
        b" files filename path paths dir directory name names required require enabled enable disabled disable"
        b" exists exist valid invalid ok status state states field fields prompt label strength complexity"
        b" history lifetime last date time at on in by created updated modified rotated rotation failures"
        b" failed failure attempts limit limits used usage issuer scope scopes format encoding algorithm algo"
        b" alg method methods mode backend provider manager store engine version locked lock warn warning days"
        b" rule rules template generator service server host port user username users flags flag quality ref"
        b" reference references source login less ed through thru rate ratio fail fails index authentication"
        b" auth module modules class size bytes budget per sec seconds ms timeout interval domain audience"
        b" owner group mount review reviews binding bindings selector location help hint uid gid gecos shell py"
        b" pyc yml yaml json txt conf cfg ini log rb go js ts java c h sh md rst html xml crt toml timer socket"
        b" sls jinja j2 tmpl erb php pl sql csv gz zip tar rpm deb so exe dll parser counter bucket buckets"
        b" stream ring izer ized ization izers ize izing ary aries ariat ly ive ion ions"
        b" second seconds minute minutes hour hours day tool rotation app application namespace controller"
        b" operator page encryption hashing hasher hashers authenticator total"
    ).split()
)
#: First words of names that are questions or counts: ``has_password``.
QUESTIONS = (
    b"image_pull_",
    b"has_",
    b"is_",
    b"no_",
    b"num_",
    b"n_",
    b"max_",
    b"min_",
    b"without_",
    b"needs_",
    b"count_",
    b"use_",
    b"try_",
    # Of sudoers, and of web servers that pass requests on.
    b"nopass",
    b"fastcgi_pass",
    b"uwsgi_pass",
    b"scgi_pass",
    b"grpc_pass",
    b"memcached_pass",
    b"proxy_pass_header",
    b"proxy_pass_request",
)
#: Words that may be attached to ``secret``, ``token`` and the like; the name is still a secret's.
GLUED = frozenset(
    (
        b"key keys keybase value values id ids hash hashes text string data plain raw new old base b64 base64"
        b" access accesskey code secret token password pass num"
    ).split()
)
#: Beginnings of package names, whose value is a version.
PACKAGES = (b"lib", b"python", b"golang", b"ruby", b"perl", b"php", b"node", b"gir", b"rust", b"gnome", b"docker")
