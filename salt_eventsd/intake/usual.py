"""
Usual: the return of a minion in which nothing is odd, as nearly all events are, taken in one go.

Each step of the pipeline has to expect anything, and to ask all of them takes twice as long as what they do for such a
return. What is found here is the same, and whatever is not usual is left to the pipeline.
"""

from __future__ import annotations

from collections.abc import Callable

from salt_eventsd.event.clip import LONGEST_NAME
from salt_eventsd.event.codec import decode_as_texts
from salt_eventsd.event.frame import TAG_END
from salt_eventsd.event.parse import TRIMMED, Event, for_route, seconds_of
from salt_eventsd.intake.origin import MINION_EVENT, PEER, Origins
from salt_eventsd.intake.result import IGNORED, Result, Unusual
from salt_eventsd.redact import Redactor
from salt_eventsd.redact.redactor import RUNNER, is_plain_tag
from salt_eventsd.rules.match import Candidates, Rules

#: A larger frame is not usual, in bytes. In a smaller one no name is so long that it would be clipped.
_MOST_BYTES = LONGEST_NAME
#: ``salt/job/``, a job id of Salt's own, ``/ret/`` and the id of a minion.
BEGINNING, RET = b"salt/job/", b"/ret/"
#: Where the tag of a usual return has :data:`RET`, and where that ends.
RET_PLACE = slice(len(BEGINNING) + 20, len(BEGINNING) + 20 + len(RET))
JOB_END = RET_PLACE.stop
_SLASHES = 4
#: The rules that may take a job's returns are remembered for so many jobs.
_MOST_JOBS = 1000
#: As the tags of jobs' starts end, which are remembered.
_NEW = b"/new"


def is_usual_tag(tag: bytes) -> bool:
    """
    Say whether a tag is that of a usual return.

    :param tag: of a frame that has :data:`RET` at :data:`RET_PLACE`.
    """
    # With so many slashes there is none in the job id, and none in the id of the minion.
    return tag.startswith(BEGINNING) and len(tag) > JOB_END and tag.count(b"/") == _SLASHES and not tag.endswith(_NEW)


def is_job_enough(rules: Rules) -> bool:
    """
    Say whether the same rules may take all returns of a job.

    :param rules: which workers get an event.
    """
    return rules.slashes is not None and rules.slashes <= _SLASHES


def usual_returns(
    rules: Rules, redactor: Redactor, origins: Origins
) -> Callable[[bytes, float], Result | Unusual | None]:
    """
    Return a function that says what becomes of a frame, or what is known of it if it is not that of a usual return;
    None if that is nothing. It takes a frame that has :data:`RET` at :data:`RET_PLACE`, and in which the redactor has
    looked and found nothing.

    :param rules: which workers get an event.
    :param redactor: what is masked.
    :param origins: what becomes of an event that is not what its tag says.
    """
    candidates_of = rules.candidates
    is_of_job = is_job_enough(rules)
    of_jobs: dict[bytes, Candidates] = {}
    drops, looks = bool(redactor.functions), bool(redactor.values)
    leaves_copies = origins.peers != "take"

    def take(raw: bytes, received: float) -> Result | Unusual | None:
        if len(raw) > _MOST_BYTES:
            return None
        head, _, payload = raw.partition(TAG_END)
        if not is_usual_tag(head) or TRIMMED in payload:
            return None
        tag = head.decode("utf-8", "backslashreplace")
        job = raw[:JOB_END]
        candidates = of_jobs.get(job)
        if candidates is None:
            candidates = candidates_of(tag, tag)
            if is_of_job:
                if len(of_jobs) >= _MOST_JOBS:
                    of_jobs.clear()
                of_jobs[job] = candidates
        if not candidates.rules:
            return IGNORED
        data, texts = decode_as_texts(payload)
        if texts is None or type(data) is not dict:
            return Unusual(data, texts)
        fun, jid, minion_id = data.get("fun"), data.get("jid"), data.get("id")
        if not (type(fun) is str and type(jid) is str and type(minion_id) is str):
            return Unusual(data, texts)
        # Whoever looks at everything says what is kept in place of these.
        is_odd = not jid or not minion_id or jid[-1] == " " or minion_id[-1] == " "
        is_odd = is_odd or data.get("cmd") == MINION_EVENT or (leaves_copies and PEER in data)
        is_found = looks and redactor.may_find(data)
        is_odd = is_odd or is_found or (looks and not is_plain_tag(tag))
        if is_odd or ((drops or RUNNER in fun) and redactor.dropped(fun)):
            return Unusual(data, texts, is_found)
        routes = candidates.routes(tag, fun, data, tag, (jid, minion_id))
        if not routes:
            return IGNORED
        returned = data.pop("return", None)
        first = routes[0]
        event = Event(
            tag,
            received,
            seconds_of(data.get("_stamp"), received),
            jid,
            minion_id,
            fun,
            "job",
            "ret",
            texts[0],
            texts[1],
            first.rule,
            first.into or "returns",
        )
        destinations = [(first, event)]
        if len(routes) > 1:
            destinations += [(one, for_route(event, one.rule, one.into)) for one in routes[1:]]
        return Result(destinations, event, data, returned)

    return take
