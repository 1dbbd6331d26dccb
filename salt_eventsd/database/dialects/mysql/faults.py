"""
What the errors of MySQL and MariaDB mean, by their numbers, which are in the manuals of both.
"""

from __future__ import annotations

from salt_eventsd.database.dialects.base.faults import Faults, number_of, original_of
from salt_eventsd.exceptions import Held, Lost, Refused, Transient, WorkerError

_HELD = frozenset((1044, 1045, 1049, 1054, 1064, 1103, 1142, 1143, 1146, 1227, 1305, 1364, 1698))
#: Locks, limits of time and connections, shutdown, disks, replication and clusters: no event's doing, and they pass.
_TRANSIENT = frozenset(
    (
        *(1015, 1020, 1021, 1026, 1036, 1040, 1042, 1043, 1047, 1053, 1077, 1079, 1114, 1129, 1135, 1152, 1158, 1159),
        *(1160, 1161, 1180, 1203, 1205, 1206, 1213, 1223, 1226, 1290, 1317, 1412, 1467, 1613, 1614, 1615, 1637, 1792),
        *(1836, 1878, 1927, 1969, 3024, 3100, 3101, 3168, 3572, 3675, 4031),
    )
)
#: Out of memory, perhaps for this one; it took too long.
_LOST = frozenset((1037, 1038, 1041, 1969, 3024))
_UNIQUE = frozenset((1022, 1062, 1169, 1586, 1859))
#: Only a value can be to blame for these: too long, out of range, of the wrong kind, no regular expression.
_VALUES = frozenset(
    (1139, 1153, 1242, 1264, 1265, 1292, 1366, 1406, 1411, 1690, 1748, 3140, 3141, 3692, 4078, *range(3685, 3700))
)
_NO_PARTITION = frozenset((1526, 1591))


class MySQLFaults(Faults):
    """
    Classifies the errors of MySQL and MariaDB.

    The number comes before the SQLSTATE, which some versions of the drivers have too, and which tells less here.
    """

    def of_answer(self, original: BaseException) -> type[WorkerError] | None:
        """See :class:`Faults`."""
        code = number_of(original)
        if not isinstance(code, int):
            return super().of_answer(original)
        if code in _LOST:
            return Lost
        if code in _TRANSIENT:
            return Transient
        if code in _HELD:
            return Held
        # Those of drivers begin at 2000; most are about connections.
        return None if 2000 <= code < 3000 or code < 1000 else Refused

    def is_of_a_value(self, original: BaseException) -> bool:
        """See :class:`Faults`."""
        code = number_of(original)
        return code in _VALUES if isinstance(code, int) else super().is_of_a_value(original)

    def is_passing(self, original: BaseException) -> bool:
        """See :class:`Faults`."""
        code = number_of(original)
        return not isinstance(code, int) or code in _TRANSIENT or code >= 2000

    def is_double(self, error: BaseException) -> bool:
        """See :class:`Faults`."""
        code = number_of(original_of(error))
        return code in _UNIQUE if isinstance(code, int) else super().is_double(error)

    def is_without_place(self, error: BaseException) -> bool:
        """See :class:`Faults`."""
        return number_of(original_of(error)) in _NO_PARTITION

    def said(self, original: BaseException) -> str:
        """See :class:`Faults`."""
        if len(original.args) == 2 and isinstance(original.args[0], int):
            return f"{type(original).__name__} {original.args[0]}: {original.args[1]}"
        return super().said(original)
