"""
Look at the eventsd engine of this master, and check its configuration.

:depends: salt-eventsd (``salt-pip install salt-eventsd``)

The return code of ``salt-run`` is 0 if all is well, 1 if something is degraded and 2 if the engine is down or its
configuration is wrong. The runner reads the same ``eventsd:`` block of the master config as the engine:

.. code-block:: yaml

    eventsd:
      state_file: <cachedir>/eventsd/status.json
      spool: {dir: <cachedir>/eventsd/spool}
"""

try:
    from pathlib import Path

    import salt_eventsd.check
    import salt_eventsd.status
    from salt_eventsd import config_load
    from salt_eventsd.exceptions import ConfigError

    MISSING = ""
except ImportError as exc:
    MISSING = str(exc)

__virtualname__ = "eventsd"


def __virtual__():
    if MISSING:
        return False, f"salt-eventsd is not whole: {MISSING}; salt-pip install salt-eventsd"
    return __virtualname__


def status():
    """
    Tell whether the engine runs and since when, how the event bus is, and what each worker has done and has before it.

    CLI Example:

    .. code-block:: bash

        salt-run eventsd.status
        salt-run eventsd.status --out=json
    """
    try:
        spool = Path(config_load.load(__opts__).general.spool.dir)  # noqa: F821 - the loader's
    except ConfigError:
        spool = None
    path = Path(config_load.state_file(__opts__))  # noqa: F821
    return _answer(salt_eventsd.status.read(path, spool))


def check():
    """
    Check the configuration and whether each worker can reach its backend; nothing is written.

    CLI Example:

    .. code-block:: bash

        salt-run eventsd.check
    """
    return _answer(salt_eventsd.check.check(__opts__))  # noqa: F821


def _answer(found):
    # salt-run exits with the retcode of what a runner returns; the context makes the job's own success agree.
    __context__["retcode"] = found["retcode"]  # noqa: F821
    return found
