"""`python -m bench [name]`: one bench, or all of them one after the other."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

HELPERS = {"__init__", "__main__", "load", "peer_servers", "push_peers", "server", "settings", "urls"}
NAMES = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem not in HELPERS)


def main() -> None:
    name = sys.argv[1] if len(sys.argv) > 1 else None
    if name is None:
        for each in ["fill", *(each for each in NAMES if each != "fill")]:
            print(f"\n== {each}", flush=True)
            subprocess.check_call([sys.executable, "-m", f"bench.{each}"])
    elif name in NAMES:
        del sys.argv[1]
        runpy.run_module(f"bench.{name}", run_name="__main__", alter_sys=True)
    else:
        sys.exit(f"There is no bench {name!r}; there are {', '.join(NAMES)}.")


if __name__ == "__main__":
    main()
