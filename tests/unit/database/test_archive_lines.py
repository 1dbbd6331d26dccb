"""Lines of an archive that an older release has written."""

from __future__ import annotations

import json

from salt_eventsd.database.archive import lines
from salt_eventsd.database.dialects import dialect_for


def test_a_job_of_a_version_without_a_column_has_its_default() -> None:
    # Given
    row = {"jid": "1", "kind": "job", "stamp": "2026-01-02T03:04:05.000000+00:00", "master_id": "m"}
    text = json.dumps({"table": "jobs", "row": row}).encode()

    # Then
    assert lines.check(text) == "jobs"
    line = lines.read(text)
    assert lines.key_of(line) == ("1", "")
    assert lines.row_of(line, dialect_for("sqlite"))["apart"] == ""
