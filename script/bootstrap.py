"""Makes `.venv` and installs a pinned requirements file into it, unless that has been done: script/bootstrap.py FILE.

Runs on a bare Python before anything is installed; two at once wait for each other.
"""

import fcntl
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
VENV = HERE / ".venv"
PYTHON = VENV / "bin" / "python"


def works():
    return PYTHON.exists() and subprocess.call([str(PYTHON), "-c", "import pip"]) == 0


def main(requirements):
    if sys.version_info < (3, 11):
        sys.exit("Track360 needs Python 3.11 or newer; python3 is {}.{}.".format(*sys.version_info))
    base = HERE / "requirements.txt"
    wanted = base.read_bytes()
    if requirements != base:  # includes the base, so what it installs serves both
        wanted += requirements.read_bytes()
    stamp = VENV / "installed.txt"
    if PYTHON.exists() and stamp.exists() and stamp.read_bytes().startswith(wanted):
        return
    if not works():
        if importlib.util.find_spec("ensurepip") is None:
            sys.exit("Python's ensurepip is missing; as root run: apt-get install python3-venv")
        print("Making .venv", file=sys.stderr)
        subprocess.check_call([sys.executable, "-m", "venv", "--clear", str(VENV)])
    print("Installing {}".format(os.path.relpath(requirements, HERE)), file=sys.stderr)
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--root-user-action=ignore"]
    subprocess.check_call([*pip, "-r", str(requirements)], stdout=sys.stderr)
    stamp.write_bytes(wanted)


if __name__ == "__main__":
    with open(Path(__file__)) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            main(Path(sys.argv[1]).resolve())
        except subprocess.CalledProcessError as error:
            sys.exit(error.returncode)
