"""twistd with a window: run this instead of twistd, and SIGUSR2 makes it say what it holds.

The answer, one line of JSON, goes to the file named by WATCHED_FILE.  Nothing of the server is
replaced; its transaction layer and its core are found among the objects there are.
"""

import gc
import json
import os
import signal
from pathlib import Path

from twisted.scripts.twistd import run

from sipproxy.core.server import ProxyCore
from sipproxy.transaction.layer import TransactionLayer


def held() -> dict[str, int]:
    """Count live transactions and live request contexts."""
    gc.unfreeze()
    layers, cores = 0, 0
    for thing in gc.get_objects():
        if isinstance(thing, TransactionLayer):
            layers += len(thing)
        elif isinstance(thing, ProxyCore):
            cores += len(thing.live)
    return {"transactions": layers, "contexts": cores}


def say(_number: int, _frame: object) -> None:
    """Write what is held; whole or not at all."""
    path = Path(os.environ["WATCHED_FILE"])
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(held()))
    draft.replace(path)


if __name__ == "__main__":
    signal.signal(signal.SIGUSR2, say)
    run()
