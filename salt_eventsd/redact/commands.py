"""
Finds passwords on command lines without a name beside them: ``mysql -pSECRET``, ``curl -u bob:SECRET``, ``sshpass -p
SECRET``.

A table says which option of which tool holds a password. A ``-p`` of any other tool is left alone.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from salt_eventsd.common.budget import step
from salt_eventsd.redact.finder import Finder
from salt_eventsd.redact.values import Value


class Tool(NamedTuple):
    """
    How a tool takes passwords.

    :param names: an expression for the names of the tool.
    :param glued: options with their value attached: ``-pSECRET``.
    :param apart: options whose value is the next word, or attached.
    :param users: options of the same form that take ``user:SECRET`` or ``user%SECRET``.
    :param needs: a word that the command must contain: ``docker login -p`` takes a password, ``docker run -p`` a port.
    :param last: the number of the word that is the password, counted from the needed word or from the tool.
    """

    names: bytes
    glued: Sequence[bytes] = ()
    apart: Sequence[bytes] = ()
    users: Sequence[bytes] = ()
    needs: bytes = b""
    last: int = 0


_TABLE = (
    Tool(rb"(?:mysql|mariadb)[a-z_-]*", glued=(b"-p",)),
    Tool(
        rb"mydumper|myloader|xtrabackup|mariabackup|innobackupex|pt-query-digest",
        apart=(b"-p",),
    ),
    Tool(rb"sshpass", apart=(b"-p",)),
    Tool(rb"curl", users=(b"-u", b"--user", b"-U", b"--proxy-user")),
    Tool(rb"docker|podman|buildah|skopeo|nerdctl|helm|oc|az|cf|argocd|crane|oras", apart=(b"-p",), needs=b"login"),
    Tool(rb"skopeo|podman|buildah", users=(b"--creds", b"--src-creds", b"--dest-creds")),
    Tool(rb"redis-cli|redis-benchmark", apart=(b"-a",)),
    Tool(rb"ldap(?:search|add|modify|delete|whoami|modrdn|compare|exop)", apart=(b"-w",)),
    Tool(rb"ldappasswd", apart=(b"-w", b"-s", b"-a")),
    Tool(rb"smbclient|rpcclient|winexe|wmic|smbmap|smbget|net", users=(b"-U", b"--user")),
    Tool(rb"sqlcmd|bcp|osql|isql|tsql|ipmitool|mosquitto_(?:pub|sub|rr)|zip|unzip", apart=(b"-P",)),
    Tool(
        rb"mongo(?:sh|dump|restore|export|import|stat|top)?|cqlsh|psexec|xfreerdp|rdesktop|ncftpput|influx|esxcli",
        apart=(b"-p",),
    ),
    Tool(rb"cypher-shell|arangosh|couchbase-cli|cbq|cbbackupmgr|wbadmin|schtasks|impacket-secretsdump", apart=(b"-p",)),
    Tool(rb"snmp(?:walk|get|getnext|bulkwalk|bulkget|set|trap|table|status|df)", apart=(b"-c", b"-A", b"-X")),
    Tool(rb"7z[ar]?|rar|unrar", glued=(b"-p",)),
    Tool(rb"openssl", apart=(b"-k", b"-K")),
    Tool(rb"useradd|usermod|lftp", apart=(b"-p",), users=(b"-u",)),
    Tool(rb"wpa_passphrase", last=2),
    Tool(rb"htpasswd|mosquitto_passwd", needs=b"-b", last=3),
    Tool(rb"htpasswd", needs=b"-nb", last=2),
    Tool(rb"rabbitmqctl", needs=b"add_user", last=2),
    Tool(rb"rabbitmqctl", needs=b"change_password", last=2),
    Tool(rb"smbpasswd|kadmin(?:\.local)?", apart=(b"-w", b"-pw")),
    Tool(rb"vault", needs=b"login", last=1),
    Tool(rb"plink|pscp|psftp|putty|winscp", apart=(b"-pw",)),
    Tool(rb"net", needs=b"user", last=2),
    Tool(rb"samba-tool", needs=b"create", last=2),
    Tool(rb"hammer|check_mysql(?:_query)?|check_pgsql", apart=(b"-p",)),
    Tool(rb"pcs", apart=(b"-p",), needs=b"auth"),
    Tool(rb"check_http", users=(b"-a",)),
    Tool(rb"ktutil", apart=(b"-w",)),
    Tool(rb"schtasks", apart=(b"/rp",)),
    Tool(rb"security", apart=(b"-w",), needs=b"add-generic-password"),
    Tool(rb"aws", apart=(b"--value",), needs=b"put-parameter"),
    Tool(rb"az", apart=(b"--value",), needs=b"secret"),
    Tool(rb"ssh-keygen", apart=(b"-N", b"-P")),
    Tool(rb"nsupdate|dig|delv", users=(b"-y",)),
    Tool(rb"reg", apart=(b"/d",), needs=b"DefaultPassword"),
)


def _first(tool: Tool) -> bytes:
    if tool.last and not tool.needs:
        return tool.names
    if tool.needs:
        return rb"(?:%s)(?:\.exe)?[^A-Za-z0-9_.-][^\n]*%s" % (tool.names, re.escape(tool.needs))
    options = b"|".join(map(re.escape, (*tool.glued, *tool.apart, *tool.users)))
    # In a payload, blanks stand between words, or a byte or two with the length of the next word.
    apart = rb"(?:[^A-Za-z0-9_.]|[\xd9\xda].{1,2})"
    return rb"(?:%s)(?:\.exe)?(?:[^A-Za-z0-9_.-][^\n]*)?%s(?:%s)" % (tool.names, apart, options)


#: Finds what could be such a command with a password, also in an undecoded payload.
FIRST = b"|".join(b"(?:%s)" % _first(tool) for tool in _TABLE)
#: Finds the tools in a text.
TOOL = rb"\b(?:%s)(?:\.exe)?\b[\"' \t]" % b"|".join(sorted({tool.names for tool in _TABLE}))
_TOOL = Finder(TOOL)
#: The same for the words of a list, joined with blanks.
IN_WORDS = Finder(FIRST)
_NAME = re.compile(rb"[A-Za-z0-9_.-]+?(?=\.exe\b|[\"' \t]|\Z)")
_KNOWN = tuple((re.compile(tool.names), tool) for tool in _TABLE)
_ANY = re.compile(b"|".join(b"(?:%s)" % tool.names for tool in _TABLE))
#: Characters of a word outside of quotes. Any other character is a quote or a blank, or ends the command.
_PLAIN = re.compile(rb"(?:[^\s\"'\\;|&]|\\(?!n))+")
_BLANKS = re.compile(rb"[ \t\r\f\v]+")
#: A quote that is not escaped by a backslash.
_CLOSES = re.compile(rb"(?<!\\)(?:\\\\)*\"")
_SIGN = re.compile(rb"[:%,]")


class _Words:
    """
    Cuts the commands in a text into words. It remembers where the next quote is: otherwise each quote that is never
    closed would make it search the rest of the text again.

    :param raw: the text.
    """

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._next = {b"'": -1, b'"': -1, b"\n": -1}

    def words(self, pos: int) -> tuple[list[tuple[int, int]], int]:
        """
        Return where each word of a command begins and ends, and where the command ends.

        :param pos: where its words begin, after the name of the tool.
        """
        raw = self._raw
        found: list[tuple[int, int]] = []
        start = at = pos
        while at < len(raw):
            if plain := _PLAIN.match(raw, at):
                at = plain.end()
                continue
            sign = raw[at : at + 1]
            if sign in (b"'", b'"'):
                close = self._find(sign, at + 1)
                at = close + 1 if close < self._find(b"\n", at) else at + 1
                continue
            if start < at:
                found.append((start, at))
            blanks = _BLANKS.match(raw, at)
            if blanks is None:
                return found, at
            start = at = blanks.end()
        if start < at:
            found.append((start, at))
        return found, at

    def _find(self, sign: bytes, pos: int) -> int:
        if self._next[sign] < pos:
            if sign == b'"':
                hit = _CLOSES.search(self._raw, pos)
                at = hit.end() - 1 if hit else -1
            else:
                at = self._raw.find(sign, pos)
            self._next[sign] = at if at >= 0 else len(self._raw)
        return self._next[sign]


def in_commands(raw: bytes) -> Iterator[Value]:
    """
    Yield passwords in command lines, from the first to the last.

    :param raw: a text.
    """
    pos = 0
    line = _Words(raw)
    while (hit := _TOOL.search(raw, pos)) is not None:
        step()
        name = _NAME.match(raw, hit[0])
        words, stop = line.words(hit[1] - 1)
        yield from sorted(_secret_words(raw, name[0] if name else b"", words))
        pos = max(stop, hit[1])


def in_words(words: Sequence[object]) -> dict[int, str]:
    """
    Return which words of a command, given as a list, hold a secret: their positions, each with the masked word.

    :param words: the tool and its arguments.
    """
    if not words or not all(isinstance(one, str) for one in words[:1]):
        return {}
    name = str(words[0]).rpartition("/")[2].encode("utf-8", "replace")
    if _ANY.fullmatch(name) is None:
        return {}
    texts = [one.encode("utf-8", "surrogatepass") if isinstance(one, str) else b"" for one in words[1:]]
    raw, spans = b" ".join(texts), []
    start = 0
    for text in texts:
        spans.append((start, start + len(text)))
        start += len(text) + 1
    starts = [begin for begin, _ in spans]
    found: dict[int, str] = {}
    for value in _secret_words(raw, name, spans):
        number = bisect_right(starts, value.start) - 1
        found[number + 1] = raw[starts[number] : value.start].decode("utf-8", "replace") + "***"
    return found


def _secret_words(raw: bytes, name: bytes, words: Sequence[tuple[int, int]]) -> list[Value]:
    found: list[Value] = []
    for pattern, tool in _KNOWN:
        if pattern.fullmatch(name) is None:
            continue
        texts = [raw[start:end] for start, end in words] if tool.needs else []
        if tool.needs and tool.needs not in texts:
            continue
        if tool.last:
            behind = words[texts.index(tool.needs) + 1 :] if tool.needs else words
            if tool.last == 1:
                behind = [word for word in behind if not raw.startswith(b"-", word[0])]
            if len(behind) >= tool.last:
                found.append(_inner(raw, *behind[tool.last - 1]))
            continue
        for option in (*tool.glued, *tool.apart, *tool.users):
            found += _behind_option(raw, words, option, option in tool.glued, option in tool.users)
    return found


def _behind_option(
    raw: bytes, words: Sequence[tuple[int, int]], option: bytes, glued_only: bool, is_user: bool
) -> Iterator[Value]:
    for number, (start, end) in enumerate(words):
        if not raw.startswith(option, start, end):
            continue
        value = None
        if end - start > len(option):
            rest = start + len(option)
            if option.startswith(b"--"):
                if raw[rest : rest + 1] != b"=":
                    continue
                rest += 1
            value = _inner(raw, rest, end)
        elif not glued_only and number + 1 < len(words):
            value = _inner(raw, *words[number + 1])
        if value is not None and is_user:
            sign = _SIGN.search(raw, value.start, value.end)
            value = Value(sign.end(), value.end) if sign else None
        if value is not None and value.end > value.start:
            yield value


def _inner(raw: bytes, start: int, end: int) -> Value:
    """Return a word without the quotes around it."""
    text = raw[start:end]
    left = len(text) - len(text.lstrip(b"\\\"'"))
    right = len(text.rstrip(b"\\\"'"))
    return Value(start + left, start + max(left, right))
